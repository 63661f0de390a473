/** A time that an option gives. */
import { UsageError } from './options.ts';

/** @throws UsageError */
export function timeOption(option: string, text: string): Date {
  const isTime = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?Z)?$/.test(text);
  const time = new Date(isTime ? text : Number.NaN);
  // 30 February would be 2 March.
  const isDay = !Number.isNaN(time.getTime()) && time.toISOString().startsWith(text.slice(0, 10));
  if (isDay) return time;
  throw new UsageError(`--${option} wants a time in UTC such as 2026-11-26T14:00Z, saw ${text}`);
}
