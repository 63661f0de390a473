/** In which order proofs are renewed between polls, and how soon one follows another. Pure. */
import { HANDSHAKE_EVERY_MS } from './pace.ts';
import type { Attempt } from './record.ts';

/** A file whose proofs are to stay fresh. */
export interface RoundEntry {
  /** The last time; `undefined`: never. */
  attempt: Attempt | undefined;
  /** Of the worker that runs now, if HAProxy tells it. */
  pid: number | undefined;
  /** Since when the file is as it is. */
  changedAt: number;
  /** That one proof of it takes. */
  handshakes: number;
}

/** No proof yet, or another worker's: it need not wait for the evenness of the others. */
export function isUrgent({ attempt, pid }: RoundEntry): boolean {
  return attempt === undefined || (pid !== undefined && attempt.pid !== pid);
}

/** Urgent ones first, of which those that have changed last; then those whose last proof is oldest, which those of the future may be. */
export function roundOf<E extends RoundEntry>(entries: readonly E[], now: number): E[] {
  const keyed = entries.map((entry) => {
    const at = entry.attempt?.at ?? 0;
    return isUrgent(entry)
      ? { entry, isFirst: true, rank: -entry.changedAt }
      : { entry, isFirst: false, rank: at > now ? 0 : at };
  });
  return keyed
    .sort((a, b) => Number(b.isFirst) - Number(a.isFirst) || a.rank - b.rank)
    .map(({ entry }) => entry);
}

/** A little sooner than asked for, so that handshakes and passes in between fit in. */
const AHEAD = 0.95;

/**
 * The handshakes of a round are spread over the span, so that no visitor meets a burst of them.
 * @param total handshakes of a whole round
 * @returns the time from the last handshake of one file to the first of the next
 */
export function pauseBefore(next: RoundEntry, total: number, proveWithinMs: number): number {
  const evenly = isUrgent(next) ? 0 : (AHEAD * proveWithinMs) / Math.max(1, total);
  return Math.max(HANDSHAKE_EVERY_MS, evenly) * next.handshakes;
}
