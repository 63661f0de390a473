/**
 * What the orders of a pass take from the limits of their CAs: reserved before an order, so that all orders of the pass count together, and
 * taken for good when it has come to something.
 */
import type { CaLimits, Limit, LimitKind } from '../config/limits.ts';
import type { Buckets } from './buckets.ts';
import { ACCOUNT, type BudgetRequest, type Demand, demandsOf, isExempt, validatedNames } from './demands.ts';
import { type HeldBack, heldBackBy, latestOf } from './held-back.ts';
import { roomAt, tokensIn } from './token-bucket.ts';

/** What one request has taken, and gives back. */
export interface Reservation {
  readonly request: BudgetRequest;
  /** The limit without room: then nothing is reserved. */
  readonly held?: HeldBack | undefined;
  /** Tokens taken from the bucket of new orders: fewer than orders where an emergency finds it empty. */
  readonly orders: number;
  /** What its order will take if it succeeds, or if it fails: other requests find that much less room meanwhile. */
  readonly pending: readonly Demand[];
}

export class Reservations {
  readonly #buckets: Buckets;
  readonly #limitsOf: (directoryUrl: string) => CaLimits;
  readonly #now: () => Date;
  readonly #open = new Set<Reservation>();
  /** What is pending, by CA, limit and subject. */
  readonly #reserved = new Map<string, number>();
  /** What those that were held back would have taken: the next one waits longer. */
  readonly #waiting = new Map<string, number>();

  constructor(buckets: Buckets, limitsOf: (directoryUrl: string) => CaLimits, now: () => Date) {
    this.#buckets = buckets;
    this.#limitsOf = limitsOf;
    this.#now = now;
  }

  reserve(request: BudgetRequest): Reservation {
    const { directoryUrl } = request;
    const demands = demandsOf(request);
    const all =
      request.count === 0 ? [] : demands.flatMap((demand) => this.#heldBackBy(request, demand) ?? []);
    const held = latestOf(all);
    if (held !== undefined) {
      const kinds = new Set(all.map(({ limit }) => limit));
      const waiting = demands.filter(({ kind }) => kinds.has(kind) && isReserved(kind));
      for (const demand of waiting) count(this.#waiting, directoryUrl, demand);
      return { request, held, orders: 0, pending: [] };
    }
    const limited = demands.filter(
      ({ kind }) => isReserved(kind) && this.#limitOf(request, kind) !== undefined,
    );
    const pending = limited.filter(({ kind }) => kind !== 'newOrders');
    for (const demand of pending) count(this.#reserved, directoryUrl, demand);
    const reservation = { request, orders: this.#takeOrders(request, request.count), pending };
    this.#open.add(reservation);
    return reservation;
  }

  release(reservation: Reservation | undefined, placed: number): void {
    if (reservation === undefined || !this.#open.delete(reservation)) return;
    const { orders, pending, request } = reservation;
    const { directoryUrl } = request;
    for (const demand of pending) count(this.#reserved, directoryUrl, { ...demand, tokens: -demand.tokens });
    const limit = this.#limitOf(request, 'newOrders');
    // An order that was of no use any more was replaced by a new one.
    if (placed > request.count) this.#takeOrders(request, placed - request.count);
    else if (limit !== undefined && orders > placed) {
      const demand = { kind: 'newOrders', subject: ACCOUNT, tokens: orders - placed } as const;
      this.#buckets.giveBack(directoryUrl, demand, limit);
    }
  }

  /** Counts certificates, and forgets the failures of their names. */
  recordIssued(request: BudgetRequest): void {
    const { directoryUrl, identifiers } = request;
    for (const demand of demandsOf(request)) {
      const { kind } = demand;
      if (kind !== 'certificatesPerDomain' && kind !== 'certificatesPerNames') continue;
      // Boulder counts exempt certificates for their set of names, too.
      const { limits } = this.#limitsOf(directoryUrl);
      const limit = kind === 'certificatesPerNames' ? limits[kind] : this.#limitOf(request, kind);
      if (limit !== undefined) this.#buckets.take(directoryUrl, demand, { limit, now: this.#now() });
    }
    for (const subject of validatedNames(identifiers)) {
      this.#buckets.fill(directoryUrl, { kind: 'consecutiveFailures', subject });
    }
  }

  /** Names that were not validated: the CA counts them by the hour, and in a row. */
  recordFailed(directoryUrl: string, names: readonly string[]): void {
    const { limits } = this.#limitsOf(directoryUrl);
    for (const kind of ['failedValidations', 'consecutiveFailures'] as const) {
      const limit = limits[kind];
      if (limit === undefined) continue;
      for (const subject of names) {
        this.#buckets.take(directoryUrl, { kind, subject, tokens: 1 }, { limit, now: this.#now() });
      }
    }
  }

  /** Undefined where the CA has no such limit, or does not hold it against this request. */
  #limitOf(request: BudgetRequest, kind: LimitKind): Limit | undefined {
    const limits = this.#limitsOf(request.directoryUrl);
    return isExempt(limits, request, kind) ? undefined : limits.limits[kind];
  }

  #takeOrders(request: BudgetRequest, tokens: number): number {
    const limit = this.#limitOf(request, 'newOrders');
    if (limit === undefined) return 0;
    const demand = { kind: 'newOrders', subject: ACCOUNT, tokens } as const;
    return this.#buckets.take(request.directoryUrl, demand, { limit, now: this.#now() });
  }

  #heldBackBy(request: BudgetRequest, demand: Demand): HeldBack | undefined {
    const { directoryUrl, isEmergency = false } = request;
    const limit = this.#limitOf(request, demand.kind);
    if (limit === undefined || (isEmergency && demand.kind !== 'consecutiveFailures')) return undefined;
    const now = this.#now();
    const key = keyOf(directoryUrl, demand);
    const fullAt = this.#buckets.fullAt(directoryUrl, demand, limit);
    // Orders were taken from their bucket when they were reserved.
    const wanted = Math.min(demand.tokens, limit.count) + (this.#reserved.get(key) ?? 0);
    const needed = wanted + marginOf(demand.kind, limit);
    if (demand.tokens === 0 || tokensIn(limit, fullAt, now) >= needed) return undefined;
    const until = roomAt(limit, fullAt, needed + (this.#waiting.get(key) ?? 0), now);
    return heldBackBy(directoryUrl, demand, limit, until);
  }
}

/** An order under way may take from these. Failures in a row have a margin for all that fail together. */
function isReserved(kind: LimitKind): boolean {
  return kind !== 'newAccounts' && kind !== 'consecutiveFailures';
}

/**
 * Beyond half of the failures that pause a name until somebody calls the CA, one that still fails is tried only as often as the CA forgives:
 * Let's Encrypt, once a day.
 */
function marginOf(kind: LimitKind, limit: Limit): number {
  return kind === 'consecutiveFailures' ? Math.floor(limit.count / 2) : 0;
}

function count(counts: Map<string, number>, directoryUrl: string, demand: Demand): void {
  const key = keyOf(directoryUrl, demand);
  counts.set(key, (counts.get(key) ?? 0) + demand.tokens);
}

function keyOf(directoryUrl: string, { kind, subject }: Omit<Demand, 'tokens'>): string {
  return `${directoryUrl} ${kind} ${subject}`;
}
