/** How long a pass leaves a CA alone that asked it to stay away, or that is out of reach while others are there. */
import { isWaitingUntil, isWithinLast } from '#common/clock.ts';
import { HOUR_MS, MINUTE_MS } from '#common/time.ts';
import { AcmeProblem } from '../acme/problem.ts';
import { type CaState, caEntryOf, withCaEntry } from './state.ts';

const [FIRST_PAUSE_MS, LONGEST_PAUSE_MS] = [15 * MINUTE_MS, 3 * HOUR_MS];
/** The next pass still finds the CA avoided, however rarely passes come; else they would never ask another one. */
const LONGEST_AVOIDED_MS = 36 * HOUR_MS;
/** Passes beyond the grace. */
const LONG_OUTAGE = 4;
/** One pass may have had bad luck. */
const PASSES_OF_GRACE = 1;

/** @returns undefined if the CA is not paused now */
export function pausedUntil(state: CaState, directoryUrl: string, now: Date): Date | undefined {
  return whileItLasts(state.cas[directoryUrl]?.pausedUntil, now);
}

/** @returns undefined if the CA is not avoided now */
export function avoidedUntil(state: CaState, directoryUrl: string, now: Date): Date | undefined {
  return whileItLasts(state.cas[directoryUrl]?.outage?.avoidedUntil, now, LONGEST_AVOIDED_MS);
}

function whileItLasts(until: Date | undefined, now: Date, longestMs = LONGEST_PAUSE_MS): Date | undefined {
  return until !== undefined && isWaitingUntil(until, now, longestMs) ? until : undefined;
}

/**
 * More passes than one were sent away or did not reach it, and it has issued nothing since. However rarely passes come, and however soon
 * the CA is asked again: it is not the last word for a certificate.
 */
export function isTurningAway(state: CaState, directoryUrl: string): boolean {
  const { outage, strikes } = caEntryOf(state, directoryUrl);
  return (outage?.passes ?? 0) > PASSES_OF_GRACE || strikes > PASSES_OF_GRACE;
}

/** The CA asks all certificates to stay away, not this one alone. */
export function isPausing(error: unknown): error is AcmeProblem {
  if (!(error instanceof AcmeProblem)) return false;
  // A 503 without Retry-After is one server's trouble of the moment; with it, the CA asks us to stay away.
  const isSentAway = error.status === 503 && error.retryAfter !== undefined;
  return error.type === 'rateLimited' || error.status === 429 || isSentAway;
}

/**
 * After `rateLimited` or an outage with Retry-After, no certificate asks this CA for a while. The failed one waits as long
 * as the CA said, the others only until a probe is sensible: a limit may concern that one certificate alone.
 */
export function withPause(state: CaState, directoryUrl: string, error: AcmeProblem, now: Date): CaState {
  const ca = caEntryOf(state, directoryUrl);
  const until = Math.min(error.retryAfter?.getTime() ?? Number.POSITIVE_INFINITY, later(now, ca.strikes));
  return withCaEntry(state, directoryUrl, { ...ca, pausedUntil: new Date(until), strikes: ca.strikes + 1 });
}

/**
 * Directory or account are out of reach, and there is no order record to keep the failure: other CAs go first for a
 * while. Where no other is configured, every pass asks this one.
 * @param begin of the pass, which counts once, however many certificates it has
 */
export function withOutage(state: CaState, directoryUrl: string, begin: Date, now: Date): CaState {
  const ca = caEntryOf(state, directoryUrl);
  const sinceBegin = now.getTime() - begin.getTime() + 1;
  if (ca.outage !== undefined && isWithinLast(ca.outage.at, now, sinceBegin)) return state;
  const passes = (ca.outage?.passes ?? 0) + 1;
  const excess = passes - PASSES_OF_GRACE - 1;
  const sinceLastMs = ca.outage === undefined ? 0 : now.getTime() - ca.outage.at.getTime();
  const until = Math.max(later(now, excess), excess >= LONG_OUTAGE ? beyondNextPass(now, sinceLastMs) : 0);
  const outage = { passes, at: now, ...(excess >= 0 && { avoidedUntil: new Date(until) }) };
  return withCaEntry(state, directoryUrl, { ...ca, outage });
}

/** A certificate was issued: the CA is there, and its next pause begins short again. */
export function withoutOutage(state: CaState, directoryUrl: string): CaState {
  const { outage, pausedUntil: until, ...ca } = caEntryOf(state, directoryUrl);
  if (outage === undefined && until === undefined && ca.strikes === 0) return state;
  return withCaEntry(state, directoryUrl, { ...ca, strikes: 0 });
}

function beyondNextPass(now: Date, sinceLastMs: number): number {
  return now.getTime() + Math.min(Math.max(0, sinceLastMs) * 1.5, LONGEST_AVOIDED_MS);
}

/** 15 min, 30 min, 1 h, 2 h, 3 h, 3 h, … */
function later(now: Date, strikes: number): number {
  return now.getTime() + Math.min(FIRST_PAUSE_MS * 2 ** strikes, LONGEST_PAUSE_MS);
}
