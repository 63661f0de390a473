/** Which of a certificate's challenges an order is proven by; pure. */

import { AuthorizationFailed } from '../acme/problem.ts';
import { DnsFailed } from '../challenge/errors.ts';
import type { ChallengeName } from '../config/challenge.ts';

/** Failed tries in a row, by challenge; they end with the order record, when the certificate is issued. */
export type ChallengeFailures = Readonly<Partial<Record<ChallengeName, number>>>;

/** A challenge that has failed this often lets the next one of the list try. */
const ENOUGH_FAILURES = 2;

/** @returns the first that has not failed twice; where all have, the one that failed least, so that they take turns */
export function preferredChallenge(
  preferred: readonly ChallengeName[],
  failures: ChallengeFailures = {},
): ChallengeName | undefined {
  const failed = (name: ChallengeName) => failures[name] ?? 0;
  const fresh = preferred.find((name) => failed(name) < ENOUGH_FAILURES);
  // sort() is stable: of equals, the preferred one.
  return fresh ?? [...preferred].sort((a, b) => failed(a) - failed(b))[0];
}

/** Counts what is the challenge's own fault: the CA did not get its answer, does not offer it, or the DNS did not take or have it. */
export function withFailure(
  failures: ChallengeFailures = {},
  used: ChallengeName | undefined,
  error: unknown,
): ChallengeFailures {
  const isChallengeFault =
    error instanceof DnsFailed || (error instanceof AuthorizationFailed && error.challenge !== undefined);
  if (used === undefined || !isChallengeFault) return failures;
  return { ...failures, [used]: (failures[used] ?? 0) + 1 };
}
