/** In which order proofs are renewed between polls, and how soon one follows another. Pure. */
import type { ProofPace } from './pace.ts';
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

export interface RoundRates {
  /** Handshakes of a whole round. */
  total: number;
  proveWithinMs: number;
  pace: ProofPace;
}

/** No proof yet, or another worker's: it need not wait for the evenness of the others. */
function isUrgent({ attempt, pid }: RoundEntry): boolean {
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

/**
 * The handshakes of a round are spread over the span, so that no visitor meets a burst of them.
 * @returns the time from the last handshake of one file to the first of the next
 */
export function pauseBefore(next: RoundEntry, { total, proveWithinMs, pace }: RoundRates): number {
  return (isUrgent(next) ? pace.everyMs : pace.evenlyMs(total, proveWithinMs)) * next.handshakes;
}
