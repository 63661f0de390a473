/** When a failed order is tried again, and what of its record is kept until then. */
import { CLOCK_SLACK_MS } from '#common/clock.ts';
import { DAY_MS, HOUR_MS, MINUTE_MS } from '#common/time.ts';
import { codeOf, messageOf, PemRejected } from '#contract/errors.ts';
import { type Fault, faultOf } from '../acme/fault.ts';
import { AcmeDeadline, AcmeProblem, UntrustedIssuer } from '../acme/problem.ts';
import { MAX_RETRY_AFTER_MS } from '../acme/retry-after.ts';
import { isEmergency, type Validity } from './lifetime.ts';
import { withFailure } from './preferred-challenge.ts';
import { type LegRecord, type OrderRecord, withoutOrder } from './record.ts';
import { ClockDiffers } from './verify-issued.ts';

/** Let's Encrypt's integration guide: 1 min, 10 min, 100 min, then daily. */
const BACK_OFF_MS = [MINUTE_MS, 10 * MINUTE_MS, 100 * MINUTE_MS];
/** The CA's own trouble passes by itself and costs no failed validation: a short-lived certificate cannot lose a day to it. */
const LONGEST_FOR_CA_FAULT_MS = 100 * MINUTE_MS;
/** Whatever the CA says: longer than any published limit takes for its next token (Let's Encrypt's slowest: 34 hours). */
const LONGEST_RETRY_AFTER_MS = 36 * HOUR_MS;

/**
 * What changes in the record after a failed attempt. A CA's Retry-After wins; up to a fifth of jitter keeps certificates apart.
 * @param random in [0, 1)
 */
export function afterFailure(
  record: OrderRecord,
  error: unknown,
  now: Date,
  random: number,
): Partial<OrderRecord> {
  const isAccountGone = isUnknownAccount(error);
  // Registered again, and unknown again: that does not help here.
  const isGoneAgain = isAccountGone && (record.isAccountRenewed ?? false);
  const fault = isGoneAgain ? 'policy' : faultOfAttempt(error, now);
  const lastFailure = {
    at: now,
    code: codeOf(error),
    message: messageOf(error),
    isCaFault: fault === 'ca',
    ...(fault === 'policy' && { isPolicy: true }),
  };
  const retryAfter = retryAfterOf(error);
  // Out of time, or an account that the CA has lost, is no failure of the order: the next pass goes on at once.
  const isUnfinished = error instanceof AcmeDeadline && !isPutOff(error, now);
  const failures = isUnfinished || (isAccountGone && !isGoneAgain) ? record.failures : record.failures + 1;
  const longest = lastFailure.isCaFault ? LONGEST_FOR_CA_FAULT_MS : DAY_MS;
  // Nothing passes by waiting: another CA is asked, or the operator, or what is in force expires.
  const isNoWait = failures === record.failures || error instanceof UntrustedIssuer;
  const wait = isNoWait
    ? 0
    : (BACK_OFF_MS[(record.failuresElsewhere ?? 0) + failures - 1] ?? longest) * (1 + random / 5);
  const notBefore = new Date(Math.max(retryAfter?.getTime() ?? 0, now.getTime() + wait));
  // A refused certificate is checked once more, then the next attempt places a new order: unless only our clock refuses it.
  const isRefused = error instanceof PemRejected && !(error instanceof ClockDiffers);
  const isSpent = isAccountGone || (isRefused && failures > 1);
  const rested = failures === record.failures ? record.legs : record.legs.map(rest);
  const legs = isSpent ? rested.map(withoutOrder) : rested;
  const challengeFailures = withFailure(record.challengeFailures, record.challenge, error);
  const isAccountRenewed = isAccountGone || record.isAccountRenewed;
  return {
    failures,
    notBefore,
    lastFailure,
    legs,
    challengeFailures,
    ...(isAccountRenewed && { isAccountRenewed }),
  };
}

/** A CA that asks for a longer wait than its own pauses last has failed this certificate. */
const LONGEST_OWN_WAIT_MS = 3 * HOUR_MS;

/** When the CA wants to be asked again; undefined: it does not say. */
function retryAfterOf(error: unknown): Date | undefined {
  return error instanceof AcmeProblem || error instanceof AcmeDeadline ? error.retryAfter : undefined;
}

/** The CA puts the certificate off for longer than one waits for it while another CA is there. */
function isPutOff(error: unknown, now: Date): boolean {
  return isLongWait(retryAfterOf(error), now);
}

/** @param from when the CA has said so */
export function isLongWait(until: Date | undefined, from: Date): boolean {
  return until !== undefined && until.getTime() - from.getTime() > LONGEST_OWN_WAIT_MS;
}

/** Whose fault a failed attempt is: what the CA has issued counts like what it has answered. */
export function faultOfAttempt(error: unknown, now: Date): Fault {
  if (isPutOff(error, now)) return 'ca';
  // What one CA issues wrongly, another one may issue well; our clock would refuse that, too.
  if (error instanceof PemRejected) return error instanceof ClockDiffers ? 'ours' : 'policy';
  return faultOf(error);
}

/** The account is registered again with the same key. */
function isUnknownAccount(error: unknown): boolean {
  return error instanceof AcmeProblem && error.type === 'accountDoesNotExist';
}

/** Every attempt has its own time for a validation. */
function rest({ respondedAt: _, ...leg }: LegRecord): LegRecord {
  return leg as LegRecord;
}

/**
 * When a failed order is tried again. A day is too long in an emergency; an hour is what the CAs' limits on failed validations allow.
 * @param pems that are published now
 */
export function nextAttempt(
  { createdAt, notBefore, lastFailure }: OrderRecord,
  pems: readonly Validity[] | undefined,
  now: Date,
): Date {
  // The clock was ahead when it failed, or when the record was made.
  const from = lastFailure?.at ?? createdAt;
  if (from.getTime() > now.getTime() + CLOCK_SLACK_MS) return now;
  // No CA can ask for more: a wrong clock wrote it, or a hand.
  if (notBefore.getTime() - from.getTime() > MAX_RETRY_AFTER_MS + CLOCK_SLACK_MS) return now;
  const isUrgent = pems?.some((pem) => isEmergency(pem, now)) ?? false;
  const latest = from.getTime() + LONGEST_RETRY_AFTER_MS;
  if (!isUrgent || lastFailure === undefined) return new Date(Math.min(notBefore.getTime(), latest));
  return new Date(Math.min(notBefore.getTime(), lastFailure.at.getTime() + HOUR_MS));
}

/** An order that fails, for people: why, how often, and when it is tried again. Times as in RFC 3339. */
export interface OrderFailure {
  code: string;
  message: string;
  at: string;
  /** In a row. */
  attempts: number;
  nextAttempt: string;
}

/** @returns undefined for an order in flight that has not failed */
export function orderFailureOf(
  record: OrderRecord,
  pems: readonly Validity[] | undefined,
  now: Date,
): OrderFailure | undefined {
  const { failures, failuresElsewhere = 0, lastFailure } = record;
  const attempts = failures + failuresElsewhere;
  if (lastFailure === undefined || attempts === 0) return undefined;
  const { code, message, at } = lastFailure;
  const next = nextAttempt(record, pems, now).toISOString();
  return { code, message, at: at.toISOString(), attempts, nextAttempt: next };
}
