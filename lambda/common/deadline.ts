/** One end for many pieces of work: what hangs must not keep the rest from being said. */
import { SECOND_MS } from './time.ts';

/** The work may go on, but nobody waits for it any more. */
export class DeadlinePassed extends Error {
  override name = 'DeadlinePassed';
}

export interface Deadline {
  readonly hasPassed: boolean;
  /** @throws DeadlinePassed; `work` is not begun after the end */
  wait<T>(work: () => Promise<T>): Promise<T>;
  /** Stops the timer, which would keep the process alive. */
  clear(): void;
}

export function startDeadline(ms: number): Deadline {
  let isOver = false;
  const passed = () => new DeadlinePassed(`no answer within ${Math.ceil(ms / SECOND_MS)} s`);
  // No Promise.race with one promise of the end: that would keep every result until then.
  const waiting = new Set<(error: Error) => void>();
  const timer = setTimeout(() => {
    isOver = true;
    for (const reject of waiting) reject(passed());
  }, ms);
  return {
    get hasPassed() {
      return isOver;
    },
    wait: async (work) => {
      if (isOver) throw passed();
      return new Promise((resolve, reject) => {
        waiting.add(reject);
        work()
          .then(resolve, reject)
          .finally(() => waiting.delete(reject));
      });
    },
    clear: () => clearTimeout(timer),
  };
}
