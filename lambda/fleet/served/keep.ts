/** The end of a pass: what hosts serve now is recorded before their summaries say that it is. */
import { BucketError } from '#contract/errors.ts';
import type { Bucket } from '#storage/bucket.ts';
import type { SummariesByHost } from '../summary.ts';
import type { ServedChanges } from './changes.ts';
import { recordDeparted, recordServed } from './record.ts';

type Fleets = Record<string, SummariesByHost>;

/** @returns the summaries to keep: where nothing could be recorded, the next report of each host is noted anew */
export async function keepServed(
  bucket: Bucket,
  fleets: Fleets,
  { changes, gone }: Pick<ServedChanges, 'changes' | 'gone'>,
  now: Date,
): Promise<{ fleets: Fleets; failures: BucketError[] }> {
  try {
    await recordServed(bucket, changes, now);
    for (const [fleet, hosts] of gone) await recordDeparted(bucket, fleet, hosts);
    return { fleets, failures: [] };
  } catch (error) {
    if (!(error instanceof BucketError)) throw error;
    const unrecorded = (fleet: string) => changes.filter((change) => change.fleet === fleet);
    const kept = Object.entries(fleets).map(([fleet, summaries]) => {
      const hosts = new Set(unrecorded(fleet).map(({ host }) => host));
      return [fleet, withoutServed(summaries, hosts)];
    });
    return { fleets: Object.fromEntries(kept), failures: [error] };
  }
}

/** Read again by the next pass. */
function withoutServed(summaries: SummariesByHost, hosts: ReadonlySet<string>): SummariesByHost {
  const all = Object.entries(summaries).map(([host, summary]) => {
    const { served: _, ...rest } = summary;
    return [host, hosts.has(host) ? { ...rest, etag: '' } : summary];
  });
  return Object.fromEntries(all);
}
