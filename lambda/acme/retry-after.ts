/** RFC 9110 §10.2.3: Retry-After is a number of seconds or a date; CAs send either. */

import { DAY_MS } from '#common/time.ts';

/** What a CA asks for beyond it does not count. */
export const MAX_RETRY_AFTER_MS = 31 * DAY_MS;

/** @returns undefined if absent or unreadable; never more than 31 days ahead */
export function parseRetryAfter(value: string | undefined, now: Date): Date | undefined {
  if (value === undefined) return undefined;
  const latest = now.getTime() + MAX_RETRY_AFTER_MS;
  const time = /^\d+$/.test(value) ? now.getTime() + Number(value) * 1000 : Date.parse(value);
  return Number.isNaN(time) ? undefined : new Date(Math.min(time, latest));
}
