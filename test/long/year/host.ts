/** One certificate of the simulated year: what a pass does with it, as lambda/pass/issuing/ and lambda/order/ do over the wire. */
import { type CertificateName, certificateName } from '#contract/layout.ts';
import type { ManifestEntry, PemRef } from '#contract/manifest.ts';
import { AcmeStuck, StillProcessing } from '../../../lambda/acme/problem.ts';
import type { CaBudget } from '../../../lambda/ca/budget.ts';
import type { CertificateSpec } from '../../../lambda/config/config.ts';
import { afterFailure } from '../../../lambda/order/back-off.ts';
import { emergencySince, isEmergency } from '../../../lambda/order/lifetime.ts';
import { processingEnd } from '../../../lambda/order/order-end.ts';
import { type OrderRecord, type StoredRecord, withoutOrder } from '../../../lambda/order/record.ts';
import type { Plan } from '../../../lambda/pass/plan.ts';
import type { Known, OrderWish, SimulatedCa } from './simulated-ca.ts';

export interface Host {
  spec: CertificateSpec;
  domain: string;
  published: ManifestEntry | undefined;
  stored: StoredRecord | undefined;
  window: Known | undefined;
  pollAfter: number;
  /** Nothing can change before: passes in between would decide the same. */
  asleepUntil: number;
  expiresAt: number;
}

/** One pass. */
export interface Round {
  cas: readonly SimulatedCa[];
  random: () => number;
  wakeMs: number;
  budget: CaBudget;
  date: Date;
}

export function newHost(index: number, perDomain: number): Host {
  const domain = `d${Math.floor(index / perDomain)}.com`;
  const name: CertificateName = certificateName.parse(`c${index}.${domain}`);
  const spec = {
    ...{ name, identifiers: [name as string], keyTypes: ['ec256' as const] },
    ...{ reuseKey: false, fleets: [], challenge: ['http-01' as const] },
  };
  const never = Number.POSITIVE_INFINITY;
  const nothing = { published: undefined, stored: undefined, window: undefined };
  return { spec, domain, ...nothing, pollAfter: never, asleepUntil: 0, expiresAt: never };
}

export function carryOut(round: Round, host: Host, plan: Plan): void {
  const { decision } = plan;
  const now = round.date.getTime();
  if (decision.action === 'keep') host.asleepUntil = decision.until.getTime() - 2 * round.wakeMs;
  else if (decision.action === 'defer') {
    const until = 'until' in decision ? decision.until.getTime() : now;
    // A pass decides anew, and an emergency waits for nothing.
    const [pem] = plan.published?.pems ?? [];
    host.asleepUntil = Math.min(until, pem ? emergencySince(pem).getTime() : until);
  } else attempt(round, host, plan, decision.directoryUrl);
}

function attempt(round: Round, host: Host, plan: Plan, directoryUrl: string): void {
  const { budget, cas, date } = round;
  const ca = cas.find((one) => one.directoryUrl === directoryUrl) as SimulatedCa;
  const { reservation } = plan;
  const request = reservation?.request;
  const isPlaced = plan.decision.action === 'resume' && request?.count === 0;
  const isPaused =
    budget.pausedUntil(directoryUrl) !== undefined || (request && budget.refusedBy(request)) !== undefined;
  if (isPaused && !isPlaced) {
    budget.release(reservation);
    return;
  }
  try {
    const pem = order(round, host, plan, ca);
    budget.release(reservation, request?.count);
    if (request) budget.recordIssued({ ...request, count: 0, certificates: 1 });
    publish(host, pem, directoryUrl, date);
  } catch (error) {
    const isOrdered = host.stored?.record.legs[0]?.orderUrl !== undefined;
    budget.release(reservation, isOrdered ? request?.count : 0);
    const hasRecord = host.stored?.record.directoryUrl === directoryUrl;
    budget.recordFailure(directoryUrl, error, hasRecord, host.spec.identifiers);
    if (host.stored !== undefined) save(host, afterFailure(host.stored.record, error, date, round.random()));
  }
}

/** @throws what the CA says; StillProcessing, AcmeStuck */
function order(round: Round, host: Host, plan: Plan, ca: SimulatedCa): PemRef {
  const { date, cas } = round;
  const now = date.getTime();
  // The account comes first: while the CA is out of reach, no record is made.
  if (ca.isDown(now)) ca.order(wishOf(host, ca), now);
  if (plan.decision.action === 'obtain' || host.stored === undefined) openRecord(host, plan, ca, date);
  const wish = wishOf(host, ca);
  if (host.stored?.record.legs[0]?.orderUrl === undefined) {
    ca.order(wish, now);
    changeLeg(host, { orderUrl: `${ca.directoryUrl}/order` });
  }
  const pem = ca.certificate(wish, now);
  if (pem !== undefined) return pem;
  const since = host.stored?.record.legs[0]?.processingSince ?? date;
  const isAlmostOver = host.published?.pems.some((one) => isEmergency(one, date)) ?? false;
  if (processingEnd(since, isAlmostOver && cas.length > 1) <= date) {
    const legs = host.stored?.record.legs.map(withoutOrder) ?? [];
    save(host, { legs });
    throw new AcmeStuck('simulated: it processes for ever');
  }
  changeLeg(host, { processingSince: since });
  throw new StillProcessing('simulated: it processes');
}

function wishOf({ spec, domain, published }: Host, ca: SimulatedCa): OrderWish {
  const isOwn = published?.issued.directoryUrl === ca.directoryUrl;
  return { name: spec.name, domain, replaced: isOwn ? published.pems[0] : undefined };
}

/** As OrderInFlight does. */
function openRecord(host: Host, plan: Plan, ca: SimulatedCa, now: Date): void {
  const { failures = 0, failuresElsewhere: before = 0 } = host.stored?.record ?? {};
  const isMoved = plan.decision.reason === 'ca-failing';
  const record: OrderRecord = {
    ...{ version: 1, createdAt: now, directoryUrl: ca.directoryUrl, identifiers: host.spec.identifiers },
    ...{ legs: [{ keyType: 'ec256', key: '', presented: [] }], failures: 0, notBefore: now },
    ...(isMoved && { failuresElsewhere: before + failures }),
  };
  host.stored = { name: host.spec.name, isResumed: true, record, etag: '' };
}

function changeLeg(host: Host, change: object): void {
  save(host, { legs: host.stored?.record.legs.map((leg) => ({ ...leg, ...change })) ?? [] });
}

function save(host: Host, change: Partial<OrderRecord>): void {
  if (host.stored !== undefined) {
    host.stored = { ...host.stored, record: { ...host.stored.record, ...change } };
  }
}

function publish(host: Host, pem: PemRef, directoryUrl: string, date: Date): void {
  const issued = { directoryUrl, accountUrl: directoryUrl };
  const { identifiers } = host.spec;
  host.published = { identifiers, publishedAt: date.toISOString(), issued, pems: [pem] };
  const now = date.getTime();
  const fresh = { stored: undefined, window: undefined, pollAfter: now, asleepUntil: now };
  Object.assign(host, { ...fresh, expiresAt: Date.parse(pem.notAfter) });
}
