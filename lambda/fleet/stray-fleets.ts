/**
 * Fleets that nobody configures, that nothing is published to, and in which hosts report: a name that is mistyped on a host. A host that
 * reports there no more is not missed: it has been set right, or taken away.
 */
import { type FleetName, fleetsAmong, layout } from '#contract/layout.ts';
import type { Bucket } from '#storage/bucket.ts';
import { isSilent } from './behind.ts';

/** Whoever may write to `status/` makes up as many as he likes. */
const MAX_FLEETS = 100;

/** @param known configured, or published to. @throws BucketError */
export async function strayFleets(bucket: Bucket, known: Iterable<string>): Promise<FleetName[]> {
  const others = new Set(known);
  const folders = await bucket.folders(layout.statusFleets);
  return fleetsAmong(folders)
    .filter((fleet) => !others.has(fleet))
    .slice(0, MAX_FLEETS);
}

/** @returns the hosts that report now */
export function reportingNow<T extends { reportedAt: Date }>(
  summaries: Readonly<Record<string, T>>,
  now: Date,
): Record<string, T> {
  return Object.fromEntries(
    Object.entries(summaries).filter(([, { reportedAt }]) => !isSilent(reportedAt, now)),
  );
}
