/**
 * A limit of a CA as a token bucket: `count` at once, and one more each `perMs / count`. One time holds its state (GCRA, as in Boulder's
 * ratelimits/gcra.go): when the bucket is full again. Pure.
 */
import { isWaitingUntil } from '#common/clock.ts';
import type { Limit } from '../config/limits.ts';

/** @param fullAt undefined for a bucket that nothing was taken from */
export function tokensIn(limit: Limit, fullAt: Date | undefined, now: Date): number {
  const thereMs = limit.perMs - (fullAtMs(limit, fullAt, now) - now.getTime());
  const tokens = Math.floor((thereMs + roundingMs(limit)) / intervalMs(limit));
  return Math.min(limit.count, Math.max(0, tokens));
}

/** When there is room for so many, or would be if they were taken one by one; a time in the past if there is now. */
export function roomAt(limit: Limit, fullAt: Date | undefined, tokens: number, now: Date): Date {
  return new Date(Math.ceil(fullAtMs(limit, fullAt, now) - (limit.count - tokens) * intervalMs(limit)));
}

/** @returns when it is full again; what was taken beyond its content, as by orders that are exempt, leaves it empty */
export function taken(limit: Limit, fullAt: Date | undefined, tokens: number, now: Date): Date {
  const next = fullAtMs(limit, fullAt, now) + tokens * intervalMs(limit);
  return new Date(Math.ceil(Math.min(next, now.getTime() + limit.perMs)));
}

/** How many tokens lie between two states: fewer than were wanted where the bucket had no more. */
export function tokensTaken(limit: Limit, before: Date | undefined, fullAt: Date, now: Date): number {
  return (fullAt.getTime() - fullAtMs(limit, before, now)) / intervalMs(limit);
}

export function returned(limit: Limit, fullAt: Date, tokens: number): Date {
  return new Date(fullAt.getTime() - tokens * intervalMs(limit));
}

/** A time that is further ahead than an empty bucket needs was stored while the clock was ahead: the bucket counts as full. */
function fullAtMs({ perMs }: Limit, fullAt: Date | undefined, now: Date): number {
  const isFilling = fullAt !== undefined && isWaitingUntil(fullAt, now, perMs);
  return isFilling ? fullAt.getTime() : now.getTime();
}

function intervalMs({ count, perMs }: Limit): number {
  return perMs / count;
}

/** Stored times are whole milliseconds, intervals need not be: each token taken may be rounded up by one. */
function roundingMs({ count }: Limit): number {
  return Math.min(count, 1000);
}
