/** `pemfleet haproxy-config`: prints the HAProxy lines that the configured challenge needs. */
import { caOf } from '../ca/ca.ts';
import { type HaproxyLines, responderLines, snippetOf, statelessLines } from '../challenge/haproxy-lines.ts';
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
    if (used.has('http-01')) return printLines(responderLines(values.listen), values.part);
    print('# No certificate is proven by HTTP-01: no lines are needed.\n');
    return EXIT.ok;
  }
  // The account may be registered now: the bucket is made if it is missing.
  const { bucket } = await loadConfigAndBucket(values, 'write');
  const { timing } = passEnvironmentOf(values);
  const client = await withCas({ bucket, config, timing }, (cas) =>
    caOf(cas, config.acme.directoryUrl).account(),
  );
  return printLines(statelessLines(client.thumbprint), values.part);
};

/** One part stands as it is: a frontend's lines, or a file. @throws UsageError */
function printLines(lines: HaproxyLines, part: string | undefined): number {
  if (part === undefined) print(snippetOf(lines));
  else if (part === 'frontend') print(lines.frontend);
  else if (part === 'backend') print(lines.sections || '# No backend is needed: HAProxy itself answers.\n');
  else throw new UsageError(`--part wants frontend or backend, saw ${part}`);
  return EXIT.ok;
}
