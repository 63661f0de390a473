/** What a pass is about to do with each certificate, and the shape in which it tells what became of it. */
import { MINUTE_MS } from '#common/time.ts';
import type { FleetName } from '#contract/layout.ts';
import type { ManifestEntry } from '#contract/manifest.ts';
import type { Bucket } from '#storage/bucket.ts';
import type { Timing } from '../acme/poll.ts';
import { type BudgetRequest, type CaState, reserve } from '../ca/budget.ts';
import type { Ca } from '../ca/ca.ts';
import { avoidedUntil, pausedUntil } from '../ca/pause.ts';
import { refreshWindows } from '../ca/renewal-windows.ts';
import type { CertificateSpec, Config } from '../config/config.ts';
import { exactSet } from '../config/identifier.ts';
import type { Log } from '../log.ts';
import type { StoredRecord } from '../order/record.ts';
import { currentPem, type Outcome, type PassOptions } from '../outcome.ts';
import { newestEntry } from '../publication/entry.ts';
import type { ReadManifest } from '../publication/publisher.ts';
import { type Decision, type DueInput, decide } from './due.ts';

export interface Plan {
  spec: CertificateSpec;
  decision: Decision;
  published: ManifestEntry | undefined;
  stored: StoredRecord | undefined;
  isFreshKey: boolean;
}

/** What is the same for all certificates of a pass. */
export type PlanContext = Omit<DueInput, 'spec' | 'published' | 'record'>;

export function makePlan(
  spec: CertificateSpec,
  published: ManifestEntry | undefined,
  stored: StoredRecord | undefined,
  context: PlanContext,
  isFreshKey: boolean,
): Plan {
  const decision = decide({ ...context, spec, published, record: stored?.record });
  // Why it was revoked is not known here: the key may be compromised.
  const isRevoked = decision.reason === 'revoked';
  return { spec, decision, published, stored, isFreshKey: isFreshKey || isRevoked };
}

/**
 * Counts the new orders against the budget, the most urgent first; what finds no room waits.
 * @returns the plans in order of urgency, and the state to be written before the first order is placed
 */
export function withinBudget(
  plans: readonly Plan[],
  state: CaState,
  ordersPer3Hours: number,
  now: Date,
): { plans: Plan[]; state: CaState } {
  let counted = state;
  const urgentFirst = [...plans].sort((a, b) => expiryOf(a) - expiryOf(b));
  const granted = urgentFirst.map((plan) => {
    const wish = budgetRequestOf(plan);
    if (wish === undefined || wish.count === 0) return plan;
    const taken = reserve(counted, wish, ordersPer3Hours, now);
    if (taken instanceof Date)
      return { ...plan, decision: { action: 'defer', reason: 'order-budget', until: taken } as const };
    counted = taken;
    return plan;
  });
  return { plans: granted, state: counted };
}

/** The new orders that a plan would place: of one that is gone on with, those that the CA has not given out yet. */
export function budgetRequestOf({ decision, spec, stored }: Plan): BudgetRequest | undefined {
  if (!('directoryUrl' in decision)) return undefined;
  const { directoryUrl } = decision;
  const placed = decision.action === 'resume' ? placedOrders(stored) : 0;
  return { directoryUrl, identifiers: spec.identifiers, count: spec.keyTypes.length - placed };
}

export function placedOrders(stored: StoredRecord | undefined): number {
  return stored?.record.legs.filter((leg) => leg.orderUrl !== undefined).length ?? 0;
}

export function plannedOutcome({ spec, decision, published }: Plan): Outcome {
  const result = decision.action === 'keep' ? 'kept' : decision.action === 'defer' ? 'deferred' : 'planned';
  return { ...outcomeOf(spec, decision), result, ...currentPem(published) };
}

/** Two orders for the same names must not be open at once: Let's Encrypt would hand out one order for both. */
export function sameIdentifiers({ spec }: Plan): string {
  return exactSet(spec.identifiers);
}

export function outcomeOf(spec: CertificateSpec, decision: Decision): Outcome {
  const until = 'until' in decision ? { until: decision.until.toISOString() } : {};
  return {
    certificate: spec.name,
    result: 'kept',
    reason: decision.reason,
    identifiers: spec.identifiers,
    ...until,
  };
}

/** Nothing published is the most urgent. */
function expiryOf({ published }: Plan): number {
  return Math.min(
    ...(published?.pems ?? []).map((pem) => Date.parse(pem.notAfter)),
    published === undefined ? 0 : Number.POSITIVE_INFINITY,
  );
}

export interface ContextDeps {
  bucket: Bucket;
  authorities: ReadonlyMap<string, Ca>;
  timing: Timing;
  log: Log;
}

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
