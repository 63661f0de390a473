/** What a pass is about to do with each certificate, and the shape in which it tells what became of it. */
import type { CertificateName } from '#contract/layout.ts';
import type { ManifestEntry } from '#contract/manifest.ts';
import { type CaState, type OrderWish, takeBudget } from './ca/budget.ts';
import type { CertificateSpec } from './config/config.ts';
import { exactSet } from './config/identifier.ts';
import { type Decision, type DueInput, decide } from './due.ts';
import type { StoredRecord } from './order/record.ts';

export interface PassOptions {
  /** Decide and tell, change nothing. */
  dryRun?: boolean;
  /** Renew what is not due. */
  force?: boolean;
  /** A fresh key even where `reuseKey` is set: the old one is compromised. */
  freshKey?: boolean;
  /** Only these certificates. */
  only?: readonly CertificateName[];
}

export interface Outcome {
  certificate: CertificateName;
  result: 'issued' | 'planned' | 'kept' | 'deferred' | 'postponed' | 'failed';
  reason: string;
  identifiers: readonly string[];
  until?: string;
  serial?: string;
  notAfter?: string;
  error?: { code: string; message: string };
  /** Of what is planned: where the CA will look for the answers, if that is not the name itself (DNS-01). */
  places?: readonly string[];
}

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
    const wish = wishOf(plan);
    if (wish === undefined || wish.count === 0) return plan;
    const taken = takeBudget(counted, wish, ordersPer3Hours, now);
    if (taken instanceof Date)
      return { ...plan, decision: { action: 'defer', reason: 'order-budget', until: taken } as const };
    counted = taken;
    return plan;
  });
  return { plans: granted, state: counted };
}

/** The new orders that a plan would place: of one that is gone on with, those that the CA has not given out yet. */
export function wishOf({ decision, spec, stored }: Plan): OrderWish | undefined {
  if (!('directoryUrl' in decision)) return undefined;
  const { directoryUrl } = decision;
  const placed = decision.action === 'resume' ? placedOrders(stored) : 0;
  return { directoryUrl, identifiers: spec.identifiers, count: spec.keyTypes.length - placed };
}

export function placedOrders(stored: StoredRecord | undefined): number {
  return stored?.record.legs.filter((leg) => leg.orderUrl !== undefined).length ?? 0;
}

export function planned({ spec, decision, published }: Plan): Outcome {
  const result = decision.action === 'keep' ? 'kept' : decision.action === 'defer' ? 'deferred' : 'planned';
  return { ...told(spec, decision), result, ...describe(published) };
}

/** Two orders for the same names must not be open at once: Let's Encrypt would hand out one order for both. */
export function sameIdentifiers({ spec }: Plan): string {
  return exactSet(spec.identifiers);
}

export function told(spec: CertificateSpec, decision: Decision): Outcome {
  const until = 'until' in decision ? { until: decision.until.toISOString() } : {};
  return {
    certificate: spec.name,
    result: 'kept',
    reason: decision.reason,
    identifiers: spec.identifiers,
    ...until,
  };
}

export function describe(entry: ManifestEntry | undefined): Pick<Outcome, 'serial' | 'notAfter'> {
  const [pem] = entry?.pems ?? [];
  return pem === undefined ? {} : { serial: pem.serial, notAfter: pem.notAfter };
}

/** Nothing published is the most urgent. */
function expiryOf({ published }: Plan): number {
  return Math.min(
    ...(published?.pems ?? []).map((pem) => Date.parse(pem.notAfter)),
    published === undefined ? 0 : Number.POSITIVE_INFINITY,
  );
}
