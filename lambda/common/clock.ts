/**
 * Times that a program has stored, judged by a clock that may have been wrong when it stored them: a clock that was ahead leaves waits
 * that would last for months. And whose clock is wrong. Pure.
 */
import { MINUTE_MS, SECOND_MS, spanText } from './time.ts';

/** Clocks that differ by less are taken for equal. */
export const CLOCK_SLACK_MS = MINUTE_MS;

/** Whether a stored wait still lasts. One that would last longer than its longest possible span was stored while the clock was ahead: it is over. */
export function isWaitingUntil(until: Date, now: Date, longestMs: number): boolean {
  const leftMs = until.getTime() - now.getTime();
  return leftMs > 0 && leftMs <= longestMs + CLOCK_SLACK_MS;
}

/** Whether what happened at a stored time happened less than a span ago. A time of the future was stored while the clock was ahead: it is over. */
export function isWithinLast(at: Date, now: Date, spanMs: number): boolean {
  const agoMs = now.getTime() - at.getTime();
  return agoMs >= -CLOCK_SLACK_MS && agoMs < spanMs;
}

/** When something happened, as stored; now, where that is not stored or in the future: the clock was ahead, and what is counted from it would last for months. */
export function happenedAt(stored: Date | undefined, now: Date): Date {
  return stored === undefined || stored.getTime() > now.getTime() + CLOCK_SLACK_MS ? now : stored;
}

/** A store that answered at some moment between these two, of this machine's clock. */
export interface AnswerTimes {
  /** By the store's clock (header Date, in whole seconds). */
  storeTime: Date;
  begin: Date;
  end: Date;
}

/**
 * By how much this machine's clock is ahead of the store's at least, in ms (behind: negative); 0 if they may be equal. However long the answer
 * took, a clock that is right counts as right.
 */
export function clockOffset({ storeTime, begin, end }: AnswerTimes): number {
  const store = storeTime.getTime();
  if (begin.getTime() > store + SECOND_MS) return begin.getTime() - store;
  return Math.min(0, end.getTime() - store);
}

/** In one unit, rounded down, so that a message stays the same while the offset moves a little: `3 min behind`, `100 days ahead`. */
export function clockOffsetText(offsetMs: number): string {
  return `${spanText(Math.abs(offsetMs))} ${offsetMs > 0 ? 'ahead' : 'behind'}`;
}
