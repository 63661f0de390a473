/** RFC 9110 §10.2.3: Retry-After is a number of seconds or a date; CAs send either. */

const MAX_SECONDS = 31 * 86_400;

/** @returns undefined if absent or unreadable; never more than 31 days ahead */
export function parseRetryAfter(value: string | undefined, now: Date): Date | undefined {
  if (value === undefined) return undefined;
  const latest = now.getTime() + MAX_SECONDS * 1000;
  const time = /^\d+$/.test(value) ? now.getTime() + Number(value) * 1000 : Date.parse(value);
  return Number.isNaN(time) ? undefined : new Date(Math.min(time, latest));
}
