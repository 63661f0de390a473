/** Spans of time in milliseconds, and for people. */
export const SECOND_MS = 1000;
export const MINUTE_MS = 60 * SECOND_MS;
export const HOUR_MS = 60 * MINUTE_MS;
export const DAY_MS = 24 * HOUR_MS;

/** For people, in one unit, rounded down: `45 s`, `3 min`, `47 h`, `59 days`. */
export function spanText(ms: number): string {
  if (ms < MINUTE_MS) return `${Math.max(0, Math.floor(ms / SECOND_MS))} s`;
  if (ms < HOUR_MS) return `${Math.floor(ms / MINUTE_MS)} min`;
  if (ms < 2 * DAY_MS) return `${Math.floor(ms / HOUR_MS)} h`;
  return `${Math.floor(ms / DAY_MS)} days`;
}

/** `2026-11-27 12:00`, of an RFC 3339 time in UTC. */
export function minuteText(instant: string): string {
  return instant.slice(0, 16).replace('T', ' ');
}
