/** What the decisions of a pass have in common: the CAs with their pauses, and the windows that they suggest. */
import type { FleetName } from '#contract/layout.ts';
import type { Bucket } from '#storage/bucket.ts';
import type { Timing } from './acme/poll.ts';
import type { CaState } from './ca/budget.ts';
import type { Authority } from './ca/ca.ts';
import { avoidedUntil, pausedUntil } from './ca/pause.ts';
import { refreshWindows } from './ca/renewal-windows.ts';
import type { CertificateSpec, Config } from './config/config.ts';
import type { Log } from './log.ts';
import type { PassOptions, PlanContext } from './plan.ts';
import { newestEntry } from './publication/entry.ts';
import type { ReadManifest } from './publication/publisher.ts';

export interface ContextDeps {
  bucket: Bucket;
  authorities: ReadonlyMap<string, Authority>;
  timing: Timing;
  log: Log;
}

const MINUTE_MS = 60_000;

/** A dry run asks nobody: it decides by the windows that the last pass has left. */
export async function planContext(
  deps: ContextDeps,
  config: Config,
  options: PassOptions,
  specs: readonly CertificateSpec[],
  manifests: ReadonlyMap<FleetName, ReadManifest | undefined>,
  caState: CaState,
): Promise<PlanContext> {
  const published = specs.flatMap((spec) => {
    const entry = newestEntry(spec, manifests);
    return entry === undefined ? [] : [{ name: spec.name, entry }];
  });
  const ask = async (directoryUrl: string, certId: string) =>
    deps.authorities.get(directoryUrl)?.renewalInfo(certId);
  const { bucket, log, timing } = deps;
  const windowDeps = {
    bucket,
    log,
    now: timing.now,
    concurrency: config.concurrency,
    ask: options.dryRun ? undefined : ask,
  };
  const windows = await refreshWindows(windowDeps, published, options.only === undefined);
  const cas = [config.acme, ...config.fallback].map(({ directoryUrl, preferredChain }) => ({
    directoryUrl,
    preferredChain,
    pausedUntil: pausedUntil(caState, directoryUrl),
    avoidedUntil: avoidedUntil(caState, directoryUrl),
  }));
  // A wake may come late: a quarter is added, so that the last one before a window's end is not missed.
  const wakeMs = config.wakeMinutes * MINUTE_MS * 1.25;
  return { cas, windows, forced: options.force ?? false, now: timing.now(), wakeMs };
}
