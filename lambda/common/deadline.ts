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
  let end: (error: Error) => void = () => undefined;
  const over = new Promise<never>((_, reject) => {
    end = reject;
  });
  over.catch(() => undefined);
  const timer = setTimeout(() => {
    isOver = true;
    end(new DeadlinePassed(`no answer within ${Math.ceil(ms / SECOND_MS)} s`));
  }, ms);
  return {
    get hasPassed() {
      return isOver;
    },
    wait: (work) => (isOver ? over : Promise.race([work(), over])),
    clear: () => clearTimeout(timer),
  };
}
