/** What pemfleet allows itself at each CA during a pass: orders that are left, pauses and outages. */
import { createHash } from 'node:crypto';
import { isWithinLast } from '#common/clock.ts';
import { DAY_MS, HOUR_MS } from '#common/time.ts';
import { messageOf } from '#contract/errors.ts';
import type { Bucket } from '#storage/bucket.ts';
import { concernsAccount, isCaFault } from '../acme/fault.ts';
import type { AcmeProblem } from '../acme/problem.ts';
import { exactSet } from '../config/identifier.ts';
import type { Log } from '../log.ts';
import { avoidedUntil, isPausing, pausedUntil, withOutage, withPause } from './pause.ts';
import { type CaState, caEntryOf, readCaState, withCaEntry, writeCaState } from './state.ts';

const ORDER_WINDOW_MS = 3 * HOUR_MS;
const SET_WINDOW_MS = 7 * DAY_MS;
/** Let's Encrypt: five certificates for the same exact set of identifiers in seven days, without exception. */
const CERTIFICATES_PER_SET = 5;

/** New orders of one certificate: `count` of them, for one set of identifiers. */
export interface BudgetRequest {
  directoryUrl: string;
  identifiers: readonly string[];
  count: number;
}

interface CaBudgetOptions {
  bucket: Bucket;
  ordersPer3Hours: number;
  now: () => Date;
  log: Log;
}

export async function readCaBudget(options: CaBudgetOptions): Promise<CaBudget> {
  return new CaBudget(options, await readCaState(options.bucket));
}

/** Many certificates change it at once: each verb is one step, and only `save` writes the document. */
export class CaBudget {
  readonly #options: CaBudgetOptions;
  /** An outage counts once in a pass, however many certificates meet it. */
  readonly #begin: Date;
  /** All orders of a pass are counted under one time, by which they can be released. */
  #reservedAt: Date | undefined;
  #state: CaState;
  #saved: CaState;

  constructor(options: CaBudgetOptions, state: CaState) {
    this.#options = options;
    this.#begin = options.now();
    this.#state = state;
    this.#saved = state;
  }

  /** What `save` writes. */
  get state(): CaState {
    return this.#state;
  }

  /** The CA asked us to stay away until then. */
  pausedUntil(directoryUrl: string): Date | undefined {
    return pausedUntil(this.#state, directoryUrl, this.#options.now());
  }

  /** The CA was out of reach: others go first until then. */
  avoidedUntil(directoryUrl: string): Date | undefined {
    return avoidedUntil(this.#state, directoryUrl, this.#options.now());
  }

  /** @returns undefined if the orders are counted, else the time from which there is room for them */
  reserve(request: BudgetRequest): Date | undefined {
    this.#reservedAt ??= this.#options.now();
    const reserved = reserve(this.#state, request, this.#options.ordersPer3Hours, this.#reservedAt);
    if (reserved instanceof Date) return reserved;
    this.#state = reserved;
    return undefined;
  }

  /** Takes back orders that this pass has reserved and not placed; nothing where it has reserved none. */
  release(request: BudgetRequest | undefined): void {
    if (request !== undefined && this.#reservedAt !== undefined) {
      this.#state = release(this.#state, request, this.#reservedAt);
    }
  }

  /** Counts certificates, and ends the CA's outage. */
  recordIssued(request: BudgetRequest): void {
    this.#state = withIssued(this.#state, request, this.#options.now());
  }

  /** @param hasRecord an order record keeps the failure; otherwise the CA's state has to */
  recordFailure(directoryUrl: string, error: unknown, hasRecord: boolean): void {
    const isOutage = !hasRecord && (isCaFault(error) || concernsAccount(error));
    if (isPausing(error)) this.#pause(directoryUrl, error);
    else if (isOutage) this.#noteOutage(directoryUrl, error);
  }

  /** Writes the document if it has changed, without what no longer counts. */
  async save(): Promise<void> {
    const state = this.#state;
    if (state === this.#saved) return;
    await writeCaState(this.#options.bucket, pruned(state, this.#options.now()));
    this.#saved = state;
  }

  #pause(directoryUrl: string, error: AcmeProblem): void {
    const now = this.#options.now();
    const until = this.pausedUntil(directoryUrl);
    // Certificates that were under way together count as one.
    if (until !== undefined) return;
    this.#state = withPause(this.#state, directoryUrl, error, now);
    this.#log('ca.paused', directoryUrl, this.pausedUntil(directoryUrl), error);
  }

  #noteOutage(directoryUrl: string, error: unknown): void {
    const before = this.#state;
    this.#state = withOutage(before, directoryUrl, this.#begin, this.#options.now());
    if (this.#state !== before) {
      this.#log('ca.unreachable', directoryUrl, this.avoidedUntil(directoryUrl), error);
    }
  }

  #log(
    event: 'ca.paused' | 'ca.unreachable',
    directory: string,
    until: Date | undefined,
    error: unknown,
  ): void {
    this.#options.log(event, { directory, until: until?.toISOString(), error: messageOf(error) });
  }
}

/** @returns the state with the orders counted, or the time from which there is room for them and their certificates */
function reserve(state: CaState, request: BudgetRequest, ordersPer3Hours: number, now: Date): CaState | Date {
  const { directoryUrl, count } = request;
  const ca = caEntryOf(state, directoryUrl);
  const orders = ca.orders.filter(({ at }) => isWithinLast(at, now, ORDER_WINDOW_MS));
  const placed = orders.reduce((sum, order) => sum + order.count, 0);
  if (placed + count > ordersPer3Hours) return later(orders[0]?.at ?? now, ORDER_WINDOW_MS);
  const set = setKey(request);
  const recent = (state.sets[set] ?? []).filter((at) => isWithinLast(at, now, SET_WINDOW_MS));
  if (recent.length + count > CERTIFICATES_PER_SET) return later(recent[0] ?? now, SET_WINDOW_MS);
  return withCaEntry(state, directoryUrl, { ...ca, orders: merge(orders, now, count) });
}

/** Takes back what was counted at `countedAt` for orders that were not placed, for example because the CA was out of reach. */
function release(state: CaState, { directoryUrl, count }: BudgetRequest, countedAt: Date): CaState {
  const ca = state.cas[directoryUrl];
  if (ca === undefined || count === 0) return state;
  const lessened = ca.orders.map((order) =>
    order.at.getTime() === countedAt.getTime() ? { ...order, count: order.count - count } : order,
  );
  const orders = lessened.filter((order) => order.count > 0);
  return withCaEntry(state, directoryUrl, { ...ca, orders });
}

/** Issued certificates count for their exact set of identifiers, and the CA's next pause begins short again. */
export function withIssued(state: CaState, request: BudgetRequest, now: Date): CaState {
  const set = setKey(request);
  const times = [...(state.sets[set] ?? []), ...Array.from({ length: request.count }, () => now)];
  const { orders } = caEntryOf(state, request.directoryUrl);
  const calm = withCaEntry(state, request.directoryUrl, { strikes: 0, orders });
  return { ...calm, sets: { ...state.sets, [set]: times } };
}

/** Without what no longer counts. */
export function pruned(state: CaState, now: Date): CaState {
  const sets = Object.entries(state.sets).filter(([, times]) =>
    times.some((at) => isWithinLast(at, now, SET_WINDOW_MS)),
  );
  return { ...state, sets: Object.fromEntries(sets) };
}

/** Orders of one pass share a line. */
function merge(
  orders: { at: Date; count: number }[],
  now: Date,
  count: number,
): { at: Date; count: number }[] {
  const last = orders.at(-1);
  if (last?.at.getTime() !== now.getTime()) return [...orders, { at: now, count }];
  return [...orders.slice(0, -1), { at: now, count: last.count + count }];
}

function setKey({ directoryUrl, identifiers }: BudgetRequest): string {
  return createHash('sha256')
    .update(`${directoryUrl} ${exactSet(identifiers)}`)
    .digest('hex')
    .slice(0, 16);
}

function later(from: Date, ms: number): Date {
  return new Date(from.getTime() + ms);
}
