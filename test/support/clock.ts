/** A clock in a test's hand. */
import type { Timing } from '../../lambda/acme/poll.ts';

export const noon = new Date('2026-11-22T12:00:00.000Z');
export const after = (time: Date, ms: number) => new Date(time.getTime() + ms);

export interface Clock extends Timing {
  advance(ms: number): void;
  /** Every wait that was asked for. */
  readonly waits: number[];
}

/** A clock that stands still, and jumps over every wait. */
export function fakeClock(from = noon, passMs = 900_000): Clock {
  let time = from;
  const waits: number[] = [];
  return {
    deadline: after(from, passMs),
    waits,
    now: () => time,
    sleep: async (ms) => {
      waits.push(ms);
      time = after(time, ms);
    },
    advance: (ms) => {
      time = after(time, ms);
    },
  };
}
