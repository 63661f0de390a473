/** The end of a pass on Lambda: notifies the fleets that have changed, reads what the hosts report, and sums it up in metrics. */
import {
  type HostSummaries,
  readHostSummaries,
  refreshHostSummaries,
  saveHostSummaries,
} from '../fleet/hosts.ts';
import { metricsOf, type PassMetrics } from '../fleet/metrics.ts';
import { notifyFleets } from '../fleet/notify.ts';
import type { FleetNotifier } from '../fleet/run-command.ts';
import type { PassResult } from '../outcome.ts';
import type { Pass } from '../pass.ts';

/** @param notifier undefined: the hosts only poll */
export async function afterPass(
  pass: Pick<Pass, 'bucket' | 'log' | 'timing'>,
  notifier: FleetNotifier | undefined,
  result: PassResult,
): Promise<PassMetrics> {
  const { bucket, log } = pass;
  const now = pass.timing.now();
  const before = await readHostSummaries(bucket);
  const { calls, failed } = notifier
    ? await notifyFleets({ notifier, log, now }, before.calls, result)
    : { calls: before.calls, failed: 0 };
  const after = { ...before, calls };
  try {
    after.fleets = await refreshHostSummaries(bucket, before.fleets, [...result.manifests.keys()], now);
  } finally {
    // The calls were made, whether the statuses can be read or not.
    await saveHostSummaries(bucket, after, before);
  }
  return measure(result, after.fleets, failed, now);
}

function measure(
  { outcomes, manifests }: PassResult,
  summaries: HostSummaries['fleets'],
  notifyFailed: number,
  now: Date,
): PassMetrics {
  const fleets = [...manifests].map(([fleet, read]) => ({
    summaries: summaries[fleet] ?? {},
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
