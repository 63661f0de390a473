/** `pemfleet haproxy-config`: prints the HAProxy lines that the configured challenge needs. */
import { responderSnippet, statelessSnippet } from '../challenge/haproxy-lines.ts';
import { withCas } from '../wiring.ts';
import { type Command, loadConfigAndBucket, passEnvironmentOf, print } from './command.ts';
import { EXIT } from './output.ts';

export const haproxyConfigCommand: Command = async (values) => {
  const { config, bucket } = await loadConfigAndBucket(values);
  if (config.challenge === 'http-01') {
    print(responderSnippet(values.listen));
    return EXIT.ok;
  }
  const client = await withCas(bucket, config, passEnvironmentOf(values).timing, (authorities) => {
    const authority = authorities.get(config.acme.directoryUrl);
    if (authority === undefined) throw new TypeError('the configured CA was not opened');
    return authority.account();
  });
  print(statelessSnippet(client.thumbprint));
  return EXIT.ok;
};
