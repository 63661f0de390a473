/** What a certificate's failure says about its CA, for the other certificates and for the next pass. */
import { messageOf } from '#contract/errors.ts';
import type { Timing } from './acme/poll.ts';
import { AcmeProblem, isCaFault } from './acme/problem.ts';
import { type Authority, authorityOf } from './authority.ts';
import { avoidedUntil, isPausing, pausedUntil, withOutage, withPause } from './ca-pause.ts';
import type { CaState } from './ca-state.ts';
import type { Log } from './log.ts';

export interface Learning {
  authorities: ReadonlyMap<string, Authority>;
  timing: Timing;
  log: Log;
  caState: CaState;
  countedAt: Date;
}

/** @param hasRecord an order record remembers the failure; otherwise the CA's state does */
export async function learn(
  pass: Learning,
  directoryUrl: string,
  hasRecord: boolean,
  error: unknown,
): Promise<void> {
  if (error instanceof AcmeProblem && error.type === 'accountDoesNotExist')
    await authorityOf(pass.authorities, directoryUrl).forgetAccount();
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
