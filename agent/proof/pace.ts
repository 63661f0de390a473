/**
 * The pace of handshakes that only look: one takes 2.6 ms of the agent's processor time, and 1.5 ms (ECDSA) or 2.6 ms (RSA-2048) of
 * HAProxy's (docs/bench.md). At one in 260 ms neither takes more than 1 % of a core, so that 2,300 have their turn within ten minutes.
 */
import { MINUTE_MS } from '#common/time.ts';
import type { KnownProofs } from './known.ts';

export const HANDSHAKE_EVERY_MS = 260;
/** A pass is no slower than that: of a few certificates it proves all after each reload. */
export const IN_A_PASS = 100;
/** An agent that did not run for a day has not saved up a day's handshakes. */
const LONGEST_REST_MS = 10 * MINUTE_MS;

/** @param count of handshakes that prove everything once @returns the time in which all have their turn */
export function spanOf(count: number, proveWithinMs: number): number {
  return Math.max(proveWithinMs, count * HANDSHAKE_EVERY_MS);
}

/** For a single pass, which has no time between polls: what the pace has allowed since the last handshake. */
export function renewalsAtMost({ proofs }: KnownProofs, now: number): number {
  let last = 0;
  for (const { attempt } of proofs.files.values()) if (attempt.at <= now) last = Math.max(last, attempt.at);
  const restMs = Math.min(now - last, LONGEST_REST_MS);
  return Math.max(IN_A_PASS, Math.floor(restMs / HANDSHAKE_EVERY_MS));
}
