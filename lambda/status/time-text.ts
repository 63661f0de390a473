/** Times as people say them. */
import { spanText } from '#common/time.ts';

const spanFrom = (time: string, now: Date) => spanText(Math.abs(now.getTime() - new Date(time).getTime()));

/** `in 59 days`, `5 days ago`. */
export function relativeTime(time: string, now: Date): string {
  return new Date(time) > now ? `in ${spanFrom(time, now)}` : `${spanFrom(time, now)} ago`;
}

/** `expires in 59 days`, `expired 5 days ago`. */
export function expiryText(notAfter: string, now: Date): string {
  return `${new Date(notAfter) > now ? 'expires' : 'expired'} ${relativeTime(notAfter, now)}`;
}

/** `for 3 h`. What a host says by a clock that is ahead has begun now, and not as long ago as that clock is ahead. */
export function durationText(since: string, now: Date): string {
  return `for ${new Date(since) > now ? spanText(0) : spanFrom(since, now)}`;
}
