/**
 * What the issuer keeps of the CAs between passes: pauses and outages (pause.ts), and how many orders were placed
 * lately (budget.ts), so that our own budget ends before theirs does.
 */
import * as z from 'zod';
import { canonicalUrl, layout } from '#contract/layout.ts';
import type { Bucket } from '#storage/bucket.ts';
import { instant, readCached, serializeCached } from '#storage/cached-document.ts';

const caState = z.object({
  version: z.literal(1),
  /** By directory URL. */
  cas: z.record(
    z.string().overwrite(canonicalUrl),
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
type CaEntry = CaState['cas'][string];

/** Starts over if it cannot be read: losing it costs the CA a few requests, no correctness. */
export async function readCaState(bucket: Bucket): Promise<CaState> {
  const { value } = await readCached(bucket, layout.caState, caState);
  return value ?? { version: 1, cas: {}, sets: {} };
}

export async function writeCaState(bucket: Bucket, state: CaState): Promise<void> {
  await bucket.put(layout.caState, serializeCached(state));
}

export function caEntryOf(state: CaState, directoryUrl: string): CaEntry {
  return state.cas[directoryUrl] ?? { strikes: 0, orders: [] };
}

export function withCaEntry(state: CaState, directoryUrl: string, entry: CaEntry): CaState {
  return { ...state, cas: { ...state.cas, [directoryUrl]: entry } };
}
