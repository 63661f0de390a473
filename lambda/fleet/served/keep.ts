/** The end of a pass: what hosts serve now is recorded before their summaries say that it is. */
import type { Deadline } from '#common/deadline.ts';
import type { Bucket } from '#storage/bucket.ts';
import type { SummariesByHost } from '../summary.ts';
import type { ServedChanges } from './changes.ts';
import { recordDeparted, recordServed } from './record.ts';

type Fleets = Record<string, SummariesByHost>;

/** @returns the summaries to keep: what could not be recorded is noted anew by the next report of its host */
export async function keepServed(
  bucket: Bucket,
  fleets: Fleets,
  { changes, gone }: Pick<ServedChanges, 'changes' | 'gone'>,
  { now, deadline }: { now: Date; deadline?: Deadline },
): Promise<{ fleets: Fleets; failures: unknown[] }> {
  const unrecorded = await recordServed(bucket, changes, now, deadline);
  const { failures } = unrecorded;
  for (const [fleet, hosts] of gone) {
    const left = await recordDeparted(bucket, fleet, hosts).then(
      () => [],
      (error: unknown) => [error],
    );
    failures.push(...left);
  }
  if (unrecorded.changes.length === 0) return { fleets, failures };
  const kept = Object.entries(fleets).map(([fleet, summaries]) => {
    const some = unrecorded.changes.filter((change) => change.fleet === fleet);
    return [fleet, withoutServed(summaries, new Set(some.map(({ host }) => host)))];
  });
  return { fleets: Object.fromEntries(kept), failures };
}

/** Read again by the next pass. */
function withoutServed(summaries: SummariesByHost, hosts: ReadonlySet<string>): SummariesByHost {
  const all = Object.entries(summaries).map(([host, summary]) => {
    const { served: _, ...rest } = summary;
    return [host, hosts.has(host) ? { ...rest, etag: '' } : summary];
  });
  return Object.fromEntries(all);
}
