/** `pemfleet haproxy-config`: the lines that HAProxy needs for the configured challenge. */
import { responderSnippet, statelessSnippet } from '../challenge/haproxy-lines.ts';
import { withAuthorities } from '../wiring.ts';
import { type Command, open, print, world } from './command.ts';
import { EXIT } from './output.ts';

export const haproxyConfig: Command = async (values) => {
  const { config, bucket } = await open(values);
  if (config.challenge === 'http-01') {
    print(responderSnippet(values.listen));
    return EXIT.ok;
  }
  const client = await withAuthorities(bucket, config, world(values).timing, (authorities) => {
    const authority = authorities.get(config.acme.directoryUrl);
    if (authority === undefined) throw new TypeError('the configured CA was not opened');
    return authority.account();
  });
  print(statelessSnippet(client.thumbprint));
  return EXIT.ok;
};
