/**
 * What the issuer keeps of the CAs between passes: pauses and outages (pause.ts), what the CAs have refused (refusals.ts), and what was
 * taken from their limits lately (buckets.ts), so that our own budget ends before theirs does.
 */
import * as z from 'zod';
import { isWithinLast } from '#common/clock.ts';
import { DAY_MS } from '#common/time.ts';
import { canonicalUrl, layout } from '#contract/layout.ts';
import type { Bucket } from '#storage/bucket.ts';
import { instant, readCached, serializeCached } from '#storage/cached-document.ts';
import { LIMIT_KINDS } from '../config/limits.ts';

/** Times by limit and subject: a registered domain, a name, the digest of a set of names, `account`. */
const timesByLimit = z.partialRecord(z.enum(LIMIT_KINDS), z.record(z.string(), instant));

const heldGroup = z.object({
  directoryUrl: z.string(),
  limit: z.enum(LIMIT_KINDS),
  /** Absent for limits of the account. */
  subject: z.string().optional(),
  /** What the limit allows, for people. */
  text: z.string(),
  certificates: z.number().int(),
  /** The first of them, by name. */
  examples: z.array(z.string()),
  /** When the first and the last of them will have room. */
  from: instant,
  until: instant,
});

/** Certificates that wait for room in one limit. */
export type HeldGroup = z.infer<typeof heldGroup>;

const caState = z.object({
  version: z.literal(1),
  /** By directory URL. */
  cas: z.record(
    z.string().overwrite(canonicalUrl),
    z.object({
      pausedUntil: instant.optional(),
      /** Passes in a row that ended in a pause. */
      strikes: z.number().int().default(0),
      /** Browsers trust what it issues, as the chain of a certificate showed. */
      isTrusted: z.boolean().optional(),
      /** When it last issued what may not take the place of a certificate that browsers trust. */
      untrustedAt: instant.optional(),
      /** Passes in a row to which directory or account were out of reach, and until when other CAs go first. */
      outage: z
        .object({ passes: z.number().int(), at: instant, avoidedUntil: instant.optional() })
        .optional(),
      /** New orders of the last three hours, as 0.1 counted them; read until they are old. */
      orders: z.array(z.object({ at: instant, count: z.number().int() })).default([]),
      /** When the token bucket of a limit is full again. Orders count before they are placed, so that a killed pass counts too. */
      buckets: timesByLimit.optional(),
      /** Until when the CA refuses what concerns one subject of a limit. */
      refused: timesByLimit.optional(),
    }),
  ),
  /** By exact set of identifiers and CA: certificates of the last seven days, as 0.1 counted them; read until they are old. */
  sets: z.record(z.string(), z.array(instant)).default({}),
  /** What the last pass over all certificates has held back. */
  held: z.array(heldGroup).optional(),
});

export type CaState = z.infer<typeof caState>;
export type CaEntry = CaState['cas'][string];

/** Starts over if it cannot be read: losing it costs the CA a few requests, no correctness. */
export async function readCaState(bucket: Pick<Bucket, 'get'>): Promise<CaState> {
  const { value } = await readCached(bucket as Bucket, layout.caState, caState);
  return value ?? { version: 1, cas: {}, sets: {} };
}

export async function writeCaState(bucket: Bucket, state: CaState): Promise<void> {
  await bucket.put(layout.caState, serializeCached(state));
}

/** Then the CA is asked again: its root may have become one that browsers trust. */
const UNTRUSTED_MS = 7 * DAY_MS;

/** What it issued lately was not published, because browsers do not trust it and trust what is in force. */
export function hasIssuedUntrusted(state: CaState, directoryUrl: string, now: Date): boolean {
  const { untrustedAt } = caEntryOf(state, directoryUrl);
  return untrustedAt !== undefined && isWithinLast(untrustedAt, now, UNTRUSTED_MS);
}

export function caEntryOf(state: CaState, directoryUrl: string): CaEntry {
  return state.cas[directoryUrl] ?? { strikes: 0, orders: [] };
}

export function withCaEntry(state: CaState, directoryUrl: string, entry: CaEntry): CaState {
  return { ...state, cas: { ...state.cas, [directoryUrl]: entry } };
}
