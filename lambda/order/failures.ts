/**
 * Attempts that failed, by certificate, from pass to pass: also those that leave no order record, because the CA was out of reach or its
 * account is gone. A pass over some certificates leaves the others as they are.
 */
import * as z from 'zod';
import { longestShortened, shortened } from '#common/shorten.ts';
import { instant } from '#storage/cached-document.ts';
import type { OrderFailure } from './back-off.ts';

const [MAX_CODE, MAX_MESSAGE] = [64, 500];

export const failedAttempt = z.object({
  code: z.string().max(MAX_CODE),
  message: z.string().max(longestShortened(MAX_MESSAGE)),
  /** Of the first in a row, and of the last. */
  since: instant,
  at: instant,
  attempts: z.number().int().positive(),
});

export type FailedAttempt = z.infer<typeof failedAttempt>;
export type FailedAttempts = Readonly<Record<string, FailedAttempt>>;

interface Attempt {
  certificate: string;
  result: string;
  error?: { code: string; message: string } | undefined;
}

/** Nothing is to be done, or it has been. */
const ENDS_FAILURE: ReadonlySet<string> = new Set(['issued', 'kept']);

/** @param configured names: what is not configured fails no more */
export function nextFailures(
  before: FailedAttempts,
  attempts: readonly Attempt[],
  configured: ReadonlySet<string>,
  now: Date,
): FailedAttempts {
  const failures = new Map(Object.entries(before));
  for (const { certificate, result, error } of attempts) {
    if (ENDS_FAILURE.has(result)) failures.delete(certificate);
    if (result !== 'failed') continue;
    const { since = now, attempts: times = 0 } = failures.get(certificate) ?? {};
    const { code = 'ERR_UNEXPECTED', message = '' } = error ?? {};
    const why = { code: code.slice(0, MAX_CODE), message: shortened(message, MAX_MESSAGE) };
    failures.set(certificate, { ...why, since, at: now, attempts: times + 1 });
  }
  return Object.fromEntries([...failures].filter(([name]) => configured.has(name)));
}

/** Certificates that a pass had no time for, of this one and of those before that it did not ask for. */
export function nextPostponed(
  before: readonly string[],
  attempts: readonly Attempt[],
  configured: ReadonlySet<string>,
): string[] {
  const results = new Map(attempts.map(({ certificate, result }) => [certificate, result]));
  const names = new Set([...before, ...results.keys()]);
  return [...names].filter(
    (name) => (results.get(name) ?? 'postponed') === 'postponed' && configured.has(name),
  );
}

/** For people. Nothing waits for it: the next pass tries again. */
export function failureOfAttempt(attempt: FailedAttempt | undefined): OrderFailure | undefined {
  if (attempt === undefined) return undefined;
  const { code, message, attempts } = attempt;
  const at = attempt.at.toISOString();
  return { code, message, attempts, at, nextAttempt: at };
}
