/** What `replace` and `drill` print for people. */
import { minuteText, spanText } from '#common/time.ts';
import { type DrillResult, drillText } from '../../drill/drill.ts';
import type { ReplacementProgress } from '../../replacement/progress.ts';

/** Reasons in one text. */
const MAX_DELAYS = 3;

export function progressLines({
  at,
  scope,
  reason,
  done,
  left,
  failed,
  failures,
}: ReplacementProgress): string {
  const why = reason === undefined ? '' : ` (${reason})`;
  const lines = failures.map(
    ({ certificate, failure }) => `  ${certificate}: ${failure.code} ${failure.message}\n`,
  );
  const head = `${scope}, asked for at ${minuteText(at)}${why}`;
  return `${head}: ${done} done, ${left} left, ${failed} of them failing\n${lines.join('')}`;
}

/** One line for each CA, and what holds its last certificates back. */
export function drillLines(results: readonly DrillResult[], from: Date): string {
  return results
    .map((result) => {
      const end = result.lastAt === undefined ? '' : `, at ${minuteText(result.lastAt.toISOString())}`;
      const by = result.delays.slice(0, MAX_DELAYS).map((delay) => `  held back by: ${delay.by}\n`);
      return `${result.directoryUrl}: ${drillText(result, from)}${end}, in ${result.passes} passes\n${by.join('')}`;
    })
    .join('');
}

export function estimateLine(result: DrillResult | undefined, from: Date): string {
  if (result?.lastAt === undefined || result.replaced < result.certificates) {
    return result === undefined ? '' : `estimate: ${drillText(result, from)}; pemfleet drill says why\n`;
  }
  const span = spanText(result.lastAt.getTime() - from.getTime());
  return `estimate: the last one in ${span}, at ${minuteText(result.lastAt.toISOString())}\n`;
}

export function drillDocument({ lastAt, delays, ...result }: DrillResult) {
  const times = delays.map(({ by, until }) => ({ by, until: until.toISOString() }));
  return { ...result, lastAt: lastAt?.toISOString(), delays: times };
}
