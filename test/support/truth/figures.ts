// What a figure says.
import type { PassMetrics } from '../../../lambda/figures/metrics.ts';

/** Counts and times, which are no alarm. */
const NO_LEVEL: ReadonlySet<keyof PassMetrics> = new Set([
  ...(['RunFinished', 'CertificatesIssued', 'DaysToExpiry', 'OldestProofHours'] as const),
]);

/** The figures that are not 0, as they are where all is well. */
export function levelsIn(metrics: PassMetrics): [name: string, value: number][] {
  return Object.entries(metrics).filter(
    ([name, value]) => value !== 0 && !NO_LEVEL.has(name as keyof PassMetrics),
  );
}
