/** The token buckets of the CAs' limits, during a pass. They change in place: ten thousand certificates of a pass count one by one. */

import { isWaitingUntil, isWithinLast } from '#common/clock.ts';
import { DAY_MS, HOUR_MS } from '#common/time.ts';
import { LIMIT_KINDS, type Limit, type LimitKind } from '../config/limits.ts';
import type { Demand } from './demands.ts';
import { LONGEST_REFUSAL_MS } from './refusals.ts';
import { type CaEntry, type CaState, caEntryOf } from './state.ts';
import { returned, taken, tokensTaken } from './token-bucket.ts';

/** Of one CA and limit; what is the furthest from full stays. */
const MAX_SUBJECTS = 20_000;

/** By subject: when its bucket is full again. */
type Subjects = Map<string, Date>;
type Subject = Omit<Demand, 'tokens'>;

export class Buckets {
  readonly #stored: CaState;
  /** By directory URL and limit, copied from the state on first use. */
  readonly #cas = new Map<string, Map<LimitKind, Subjects>>();
  /** Sets that version 0.1 has counted, and that a bucket counts now. */
  readonly #counted = new Set<string>();
  #changes = 0;

  constructor(stored: CaState) {
    this.#stored = stored;
  }

  /** How often something was taken from a bucket, or given back, since the state was read. */
  get changes(): number {
    return this.#changes;
  }

  /** Undefined: nothing was taken from it. */
  fullAt(directoryUrl: string, { kind, subject }: Subject, limit: Limit): Date | undefined {
    const stored = this.#subjects(directoryUrl, kind).get(subject);
    return stored ?? this.#countedBefore(directoryUrl, { kind, subject }, limit);
  }

  /** @returns tokens that it had: a bucket that is empty gives none */
  take(directoryUrl: string, demand: Demand, { limit, now }: { limit: Limit; now: Date }): number {
    if (demand.tokens === 0) return 0;
    const before = this.fullAt(directoryUrl, demand, limit);
    const fullAt = taken(limit, before, demand.tokens, now);
    this.#set(directoryUrl, demand, fullAt);
    return tokensTaken(limit, before, fullAt, now);
  }

  giveBack(directoryUrl: string, demand: Demand, limit: Limit): void {
    const before = this.fullAt(directoryUrl, demand, limit);
    if (before === undefined || demand.tokens === 0) return;
    this.#set(directoryUrl, demand, returned(limit, before, demand.tokens));
  }

  /** Nothing of the subject counts any more. */
  fill(directoryUrl: string, { kind, subject }: Subject): void {
    if (this.#subjects(directoryUrl, kind).delete(subject)) this.#changes += 1;
  }

  /** The state with these buckets in it. */
  writtenTo(state: CaState): CaState {
    if (this.#changes === 0) return state;
    const cas = Object.fromEntries(
      [...new Set([...Object.keys(state.cas), ...this.#cas.keys()])].map((url) => [
        url,
        this.#entryOf(state, url),
      ]),
    );
    const sets = Object.entries(state.sets).filter(([key]) => !this.#counted.has(key));
    return { ...state, cas, sets: Object.fromEntries(sets) };
  }

  #entryOf(state: CaState, url: string): CaEntry {
    const entry = caEntryOf(state, url);
    const limits = this.#cas.get(url);
    if (limits === undefined) return entry;
    const changed = [...limits].map(([kind, subjects]) => [kind, Object.fromEntries(subjects)] as const);
    const orders = (limits.get('newOrders')?.size ?? 0) > 0 ? [] : entry.orders;
    return { ...entry, orders, buckets: { ...entry.buckets, ...Object.fromEntries(changed) } };
  }

  #subjects(directoryUrl: string, kind: LimitKind): Subjects {
    const limits = this.#cas.get(directoryUrl) ?? new Map<LimitKind, Subjects>();
    this.#cas.set(directoryUrl, limits);
    const stored = () => Object.entries(this.#stored.cas[directoryUrl]?.buckets?.[kind] ?? {});
    const subjects = limits.get(kind) ?? new Map(stored());
    limits.set(kind, subjects);
    return subjects;
  }

  #set(directoryUrl: string, { kind, subject }: Subject, fullAt: Date): void {
    this.#subjects(directoryUrl, kind).set(subject, fullAt);
    if (kind === 'certificatesPerNames') this.#counted.add(subject);
    this.#changes += 1;
  }

  /** What version 0.1 has counted one by one. */
  #countedBefore(directoryUrl: string, { kind, subject }: Subject, limit: Limit): Date | undefined {
    if (kind === 'newOrders') return replayed(limit, caEntryOf(this.#stored, directoryUrl).orders);
    if (kind !== 'certificatesPerNames') return undefined;
    const times = this.#stored.sets[subject] ?? [];
    return replayed(
      limit,
      times.map((at) => ({ at, count: 1 })),
    );
  }
}

function replayed(limit: Limit, counted: readonly { at: Date; count: number }[]): Date | undefined {
  let fullAt: Date | undefined;
  for (const { at, count } of counted) fullAt = taken(limit, fullAt, count, at);
  return fullAt;
}

type LimitOf = (directoryUrl: string, kind: LimitKind) => Limit | undefined;

/** Without what no longer counts: full buckets, refusals that are over, counts of version 0.1 that are old, times of a clock that was ahead. */
export function pruned(state: CaState, limitOf: LimitOf, now: Date): CaState {
  const sets = Object.entries(state.sets).filter(([, times]) =>
    times.some((at) => isWithinLast(at, now, 7 * DAY_MS)),
  );
  const cas = Object.entries(state.cas).map(([url, { buckets, refused, ...entry }]) => {
    const filling = lastingIn(buckets, (kind) => limitOf(url, kind)?.perMs ?? 0, now);
    const lasting = lastingIn(refused, () => LONGEST_REFUSAL_MS, now);
    const orders = entry.orders.filter(({ at }) => isWithinLast(at, now, 3 * HOUR_MS));
    const kept = { ...(filling && { buckets: filling }), ...(lasting && { refused: lasting }) };
    return [url, { ...entry, orders, ...kept }] as const;
  });
  return { ...state, cas: Object.fromEntries(cas), sets: Object.fromEntries(sets) };
}

type TimesByLimit = NonNullable<CaEntry['buckets']>;

function lastingIn(
  times: TimesByLimit | undefined,
  longestMs: (kind: LimitKind) => number,
  now: Date,
): TimesByLimit | undefined {
  const kept = LIMIT_KINDS.flatMap((kind) => {
    const isLasting = (until: Date) => isWaitingUntil(until, now, longestMs(kind));
    const lasting = Object.entries(times?.[kind] ?? {}).filter(([, until]) => isLasting(until));
    if (lasting.length === 0) return [];
    if (lasting.length > MAX_SUBJECTS) lasting.sort(([, a], [, b]) => b.getTime() - a.getTime());
    return [[kind, Object.fromEntries(lasting.slice(0, MAX_SUBJECTS))] as const];
  });
  return kept.length === 0 ? undefined : Object.fromEntries(kept);
}
