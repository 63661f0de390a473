/** The end of a pass: the hosts are told what is new, what they have said is read, and it all becomes figures. */
import type { Bucket } from '#storage/bucket.ts';
import {
  type HostSummaries,
  readHostSummaries,
  refreshHostSummaries,
  saveHostSummaries,
} from '../fleet/hosts.ts';
import { metricsOf, type PassMetrics } from '../fleet/metrics.ts';
import { notifyFleets } from '../fleet/notify.ts';
import type { FleetNotifier } from '../fleet/run-command.ts';
import type { Log } from '../log.ts';
import type { PassResult } from '../outcome.ts';

export interface AfterPass {
  bucket: Bucket;
  /** Without one, hosts are left to their polls. */
  notifier: FleetNotifier | undefined;
  log: Log;
  now: Date;
}

export async function afterPass(after: AfterPass, result: PassResult): Promise<PassMetrics> {
  const { bucket, notifier, log, now } = after;
  const known = await readHostSummaries(bucket);
  const { calls, failed } = notifier
    ? await notifyFleets({ notifier, log, now }, known.calls, result)
    : { calls: known.calls, failed: 0 };
  const noted = { ...known, calls };
  try {
    noted.fleets = await refreshHostSummaries(bucket, known.fleets, [...result.manifests.keys()], now);
  } finally {
    // Whoever was called was called, whether the statuses can be read or not.
    await saveHostSummaries(bucket, noted, known);
  }
  return measure(result, noted.fleets, failed, now);
}

function measure(
  { outcomes, manifests }: PassResult,
  notes: HostSummaries['fleets'],
  notifyFailed: number,
  now: Date,
): PassMetrics {
  const fleets = [...manifests].map(([fleet, read]) => ({
    summaries: notes[fleet] ?? {},
    manifest: read && { etag: read.etag, updatedAt: new Date(read.manifest.updatedAt) },
  }));
  const configured = new Set<string>(outcomes.map(({ certificate }) => certificate));
  const lifetimes = [...manifests.values()]
    .flatMap((read) => Object.entries(read?.manifest.certificates ?? {}))
    .filter(([name]) => configured.has(name))
    .flatMap(([, { pems }]) => pems)
    .map(({ notBefore, notAfter }) => ({ notBefore: new Date(notBefore), notAfter: new Date(notAfter) }));
  return metricsOf({ outcomes, lifetimes, fleets, notifyFailed, now });
}
