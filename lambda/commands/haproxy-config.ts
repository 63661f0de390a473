/** `pemfleet haproxy-config`: prints the HAProxy lines that the configured challenge needs. */
import { caOf } from '../ca/ca.ts';
import { responderSnippet, statelessSnippet } from '../challenge/haproxy-lines.ts';
import { usedChallenges } from '../config/config.ts';
import { withCas } from '../wiring.ts';
import { type Command, loadConfigAndBucket, passEnvironmentOf, print } from './command.ts';
import { UsageError } from './line/options.ts';
import { EXIT } from './output.ts';

export const haproxyConfigCommand: Command = async (values) => {
  const { config } = await loadConfigAndBucket(values, 'read');
  const { fleet } = values;
  const certificates = config.certificates.filter(
    ({ fleets }) => fleet === undefined || (fleets as string[]).includes(fleet),
  );
  if (certificates.length === 0) throw new UsageError(`no certificate names the fleet ${fleet}`);
  const used = usedChallenges({ certificates });
  // The account's thumbprint answers for all certificates of the account, the responder's too.
  if (!used.has('http-01-stateless')) {
    const isNeeded = used.has('http-01');
    print(
      isNeeded
        ? responderSnippet(values.listen)
        : '# No certificate is proven by HTTP-01: no lines are needed.\n',
    );
    return EXIT.ok;
  }
  // The account may be registered now: the bucket is made if it is missing.
  const { bucket } = await loadConfigAndBucket(values, 'write');
  const { timing } = passEnvironmentOf(values);
  const client = await withCas({ bucket, config, timing }, (cas) =>
    caOf(cas, config.acme.directoryUrl).account(),
  );
  print(statelessSnippet(client.thumbprint));
  return EXIT.ok;
};
