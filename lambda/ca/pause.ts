/** How long a CA is left alone: because it told us to stay away, or because it is out of reach and others are there. */
import { HOUR_MS, MINUTE_MS } from '#common/time.ts';
import { messageOf } from '#contract/errors.ts';
import type { Timing } from '../acme/poll.ts';
import { AcmeProblem, isCaFault } from '../acme/problem.ts';
import type { Log } from '../log.ts';
import type { CaState } from './budget.ts';
import { type Ca, caOf } from './ca.ts';

const [FIRST_PAUSE_MS, LONGEST_PAUSE_MS] = [15 * MINUTE_MS, 3 * HOUR_MS];
/** One pass may have had bad luck. */
const PASSES_OF_GRACE = 1;

type CaEntry = CaState['cas'][string];

export function pausedUntil(state: CaState, directoryUrl: string): Date | undefined {
  return state.cas[directoryUrl]?.pausedUntil;
}

export function avoidedUntil(state: CaState, directoryUrl: string): Date | undefined {
  return state.cas[directoryUrl]?.outage?.avoidedUntil;
}

export function isPausing(error: unknown): error is AcmeProblem {
  if (!(error instanceof AcmeProblem)) return false;
  // A 503 without Retry-After is one server's trouble of the moment; with it, the CA asks us to stay away.
  const isSentAway = error.status === 503 && error.retryAfter !== undefined;
  return error.type === 'rateLimited' || error.status === 429 || isSentAway;
}

/**
 * After `rateLimited` or an outage with Retry-After: nobody asks this CA for a while. The certificate itself waits as long as the
 * CA said; the CA as a whole only until a probe is sensible, because a limit may concern that one certificate alone.
 */
export function withPause(state: CaState, directoryUrl: string, error: AcmeProblem, now: Date): CaState {
  const ca = stateOfCa(state, directoryUrl);
  const until = Math.min(error.retryAfter?.getTime() ?? Number.POSITIVE_INFINITY, later(now, ca.strikes));
  return withCa(state, directoryUrl, { ...ca, pausedUntil: new Date(until), strikes: ca.strikes + 1 });
}

/**
 * Directory or account out of reach, so that no order could remember it: for a while other CAs go first. Without
 * another one it is asked in every pass.
 * @param begin of the pass, which counts once, however many certificates it has
 */
export function withOutage(state: CaState, directoryUrl: string, begin: Date, now: Date): CaState {
  const ca = stateOfCa(state, directoryUrl);
  if (ca.outage !== undefined && ca.outage.at >= begin) return state;
  const passes = (ca.outage?.passes ?? 0) + 1;
  const excess = passes - PASSES_OF_GRACE - 1;
  const outage = { passes, at: now, ...(excess >= 0 && { avoidedUntil: new Date(later(now, excess)) }) };
  return withCa(state, directoryUrl, { ...ca, outage });
}

/** 15 min, 30 min, 1 h, 2 h, 3 h, 3 h, … */
function later(now: Date, strikes: number): number {
  return now.getTime() + Math.min(FIRST_PAUSE_MS * 2 ** strikes, LONGEST_PAUSE_MS);
}

function stateOfCa(state: CaState, directoryUrl: string): CaEntry {
  return state.cas[directoryUrl] ?? { strikes: 0, orders: [] };
}

function withCa(state: CaState, directoryUrl: string, ca: CaEntry): CaState {
  return { ...state, cas: { ...state.cas, [directoryUrl]: ca } };
}

export interface Learning {
  authorities: ReadonlyMap<string, Ca>;
  timing: Timing;
  log: Log;
  caState: CaState;
  countedAt: Date;
}

/** @param hasRecord an order record remembers the failure; otherwise the CA's state does */
export async function recordFailure(
  pass: Learning,
  directoryUrl: string,
  hasRecord: boolean,
  error: unknown,
): Promise<void> {
  if (error instanceof AcmeProblem && error.type === 'accountDoesNotExist')
    await caOf(pass.authorities, directoryUrl).forgetAccount();
  if (isPausing(error)) learnPause(pass, directoryUrl, error);
  else if (!hasRecord && isCaFault(error)) learnOutage(pass, directoryUrl, error);
}

function learnPause(pass: Learning, directoryUrl: string, error: AcmeProblem): void {
  const now = pass.timing.now();
  const until = pausedUntil(pass.caState, directoryUrl);
  // Certificates that were under way together count as one.
  if (until !== undefined && until > now) return;
  pass.caState = withPause(pass.caState, directoryUrl, error, now);
  tell(pass, 'ca.paused', directoryUrl, pausedUntil(pass.caState, directoryUrl), error);
}

function learnOutage(pass: Learning, directoryUrl: string, error: unknown): void {
  const before = pass.caState;
  pass.caState = withOutage(before, directoryUrl, pass.countedAt, pass.timing.now());
  if (pass.caState !== before)
    tell(pass, 'ca.unreachable', directoryUrl, avoidedUntil(pass.caState, directoryUrl), error);
}

function tell(
  { log }: Learning,
  event: 'ca.paused' | 'ca.unreachable',
  directory: string,
  until: Date | undefined,
  error: unknown,
): void {
  log(event, { directory, until: until?.toISOString(), error: messageOf(error) });
}
