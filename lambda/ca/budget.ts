/**
 * What is remembered of the CAs between passes: pauses and outages (ca-pause.ts), and how many orders were placed
 * lately, so that our own budget ends before theirs does.
 */

import { createHash } from 'node:crypto';
import * as z from 'zod';
import { DAY_MS, HOUR_MS } from '#common/time.ts';
import { layout } from '#contract/layout.ts';
import type { Bucket } from '#storage/bucket.ts';
import { instant, readCached, serializeCached } from '#storage/cached-document.ts';
import { exactSet } from '../config/identifier.ts';

const caState = z.object({
  version: z.literal(1),
  cas: z.record(
    z.string(),
    z.object({
      pausedUntil: instant.optional(),
      /** Passes in a row that ended in a pause. */
      strikes: z.number().int().default(0),
      /** Passes in a row to which directory or account were out of reach, and until when other CAs go first. */
      outage: z
        .object({ passes: z.number().int(), at: instant, avoidedUntil: instant.optional() })
        .optional(),
      /** New orders of the last three hours: counted before they are placed, so that a killed pass counts too. */
      orders: z.array(z.object({ at: instant, count: z.number().int() })).default([]),
    }),
  ),
  /** By exact set of identifiers and CA: certificates of the last seven days. */
  sets: z.record(z.string(), z.array(instant)),
});

export type CaState = z.infer<typeof caState>;

const ORDER_WINDOW_MS = 3 * HOUR_MS;
const SET_WINDOW_MS = 7 * DAY_MS;
/** Let's Encrypt: five certificates for the same exact set of identifiers in seven days, without exception. */
const CERTIFICATES_PER_SET = 5;

/** An unreadable state is begun anew: it holds courtesy, no truth. */
export async function readCaState(bucket: Bucket): Promise<CaState> {
  const { value } = await readCached(bucket, layout.caState, caState);
  return value ?? { version: 1, cas: {}, sets: {} };
}

export async function writeCaState(bucket: Bucket, state: CaState): Promise<void> {
  await bucket.put(layout.caState, serializeCached(state));
}

/** An order that somebody wishes to place: `count` certificates for one set of identifiers. */
export interface BudgetRequest {
  directoryUrl: string;
  identifiers: readonly string[];
  count: number;
}

/** @returns the state with the orders counted, or the time from which there is room for them and their certificates */
export function reserve(
  state: CaState,
  wish: BudgetRequest,
  ordersPer3Hours: number,
  now: Date,
): CaState | Date {
  const { directoryUrl, count } = wish;
  const ca = state.cas[directoryUrl] ?? { strikes: 0, orders: [] };
  const orders = ca.orders.filter(({ at }) => now.getTime() - at.getTime() < ORDER_WINDOW_MS);
  const placed = orders.reduce((sum, order) => sum + order.count, 0);
  if (placed + count > ordersPer3Hours) return later(orders[0]?.at ?? now, ORDER_WINDOW_MS);
  const set = setKey(wish);
  const recent = (state.sets[set] ?? []).filter((at) => now.getTime() - at.getTime() < SET_WINDOW_MS);
  if (recent.length + count > CERTIFICATES_PER_SET) return later(recent[0] ?? now, SET_WINDOW_MS);
  return { ...state, cas: { ...state.cas, [directoryUrl]: { ...ca, orders: merge(orders, now, count) } } };
}

/** Takes back what was counted at `countedAt` for orders that were not placed after all: the CA was out of reach. */
export function release(state: CaState, { directoryUrl, count }: BudgetRequest, countedAt: Date): CaState {
  const ca = state.cas[directoryUrl];
  if (ca === undefined || count === 0) return state;
  const lessened = ca.orders.map((order) =>
    order.at.getTime() === countedAt.getTime() ? { ...order, count: order.count - count } : order,
  );
  const orders = lessened.filter((order) => order.count > 0);
  return { ...state, cas: { ...state.cas, [directoryUrl]: { ...ca, orders } } };
}

/** Certificates were issued: they count for their exact set of identifiers, and the next pause begins short again. */
export function withIssued(state: CaState, wish: BudgetRequest, now: Date): CaState {
  const set = setKey(wish);
  const times = [...(state.sets[set] ?? []), ...Array.from({ length: wish.count }, () => now)];
  const ca = state.cas[wish.directoryUrl] ?? { strikes: 0, orders: [] };
  const cas = { ...state.cas, [wish.directoryUrl]: { strikes: 0, orders: ca.orders } };
  return { ...state, cas, sets: { ...state.sets, [set]: times } };
}

/** Without what no longer counts. */
export function pruned(state: CaState, now: Date): CaState {
  const sets = Object.entries(state.sets).filter(([, times]) =>
    times.some((at) => now.getTime() - at.getTime() < SET_WINDOW_MS),
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
