/** `pemfleet plan --check`: the pre-flight, and its findings for people. */
import { printable } from '#common/printable.ts';
import { table } from '#common/table.ts';
import { orderedSpecs, usedChallenges } from '../../config/config.ts';
import type { PreflightFinding } from '../../preflight/finding.ts';
import { runPreflight } from '../../preflight/preflight.ts';
import { openSolvers, withCas } from '../../wiring.ts';
import { loadConfigAndBucket, passEnvironmentOf, specOf } from '../command.ts';
import type { CommandValues } from '../line/options.ts';
import { EXIT } from '../output.ts';

export async function checkAll(values: CommandValues): Promise<PreflightFinding[]> {
  const read = await loadConfigAndBucket(values, 'read');
  const { config } = read;
  const certificates = orderedSpecs(values.only?.map((name) => specOf(config, name)) ?? config.certificates);
  // A token of our own is the one thing that a check writes.
  const writes = usedChallenges({ certificates }).has('http-01');
  const { bucket } = writes ? await loadConfigAndBucket(values, 'write') : read;
  const { timing } = passEnvironmentOf(values);
  const solvers = openSolvers(config, bucket, timing);
  const allowPrivate = values['allow-private'] || config.probe.allowPrivate;
  try {
    return await withCas({ bucket, config, timing }, (cas) =>
      runPreflight({ config, certificates, bucket, cas, solvers, timing, allowPrivate }),
    );
  } finally {
    await solvers.close();
  }
}

/** What cannot be told counts less than what is known to be wrong; an account that is still to come, and a limit that nothing waits for, count for nothing. */
export function exitStatusOfPreflight(findings: readonly PreflightFinding[]): number {
  if (findings.some(({ result }) => result === 'failed')) return EXIT.failed;
  const isOpen = ({ check, result }: PreflightFinding) =>
    result === 'unknown' && check !== 'account' && check !== 'limits';
  return findings.some(isOpen) ? EXIT.unknown : EXIT.ok;
}

/** What is wrong, then what is not known; of the rest, the number. */
export function findingTable(findings: readonly PreflightFinding[]): string {
  const shown = (['failed', 'unknown'] as const).flatMap((result) =>
    findings.filter((finding) => finding.result === result),
  );
  const fine = findings.length - shown.length;
  const head = ['CHECK', 'SUBJECT', 'RESULT', 'WANTED', 'SAW', 'DO'];
  const rows = shown.map(({ advice = '', check, result, saw, subject, wanted }) => [
    ...[check, printable(subject), result, printable(wanted), printable(saw), advice],
  ]);
  const listed = rows.length === 0 ? '' : table([head, ...rows]);
  return `${listed}checks: ${fine} of ${findings.length} are fine\n`;
}
