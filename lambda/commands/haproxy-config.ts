/** `pemfleet haproxy-config`: prints the HAProxy lines that the configured challenge needs. */
import { caOf } from '../ca/ca.ts';
import { responderSnippet, statelessSnippet } from '../challenge/haproxy-lines.ts';
import { withCas } from '../wiring.ts';
import { type Command, loadConfigAndBucket, passEnvironmentOf, print } from './command.ts';
import { EXIT } from './output.ts';

export const haproxyConfigCommand: Command = async (values) => {
  const { config, bucket } = await loadConfigAndBucket(values, 'read');
  if (config.challenge === 'http-01') {
    print(responderSnippet(values.listen));
    return EXIT.ok;
  }
  const { timing } = passEnvironmentOf(values);
  const client = await withCas({ bucket, config, timing }, (cas) =>
    caOf(cas, config.acme.directoryUrl).account(),
  );
  print(statelessSnippet(client.thumbprint));
  return EXIT.ok;
};
