/** Shares one turn of an expensive lock among all work that waits for it when the turn begins. */

type Work<T> = () => Promise<T>;

/**
 * @param turn runs its argument while holding the lock
 * @returns a function that queues work for the next turn; within a turn, work runs one after another
 */
export function batched(turn: (work: Work<void>) => Promise<void>): <T>(work: Work<T>) => Promise<T> {
  let waiting: { run: Work<void>; fail: (error: unknown) => void }[] = [];
  let running = false;

  async function drain(): Promise<void> {
    running = true;
    while (waiting.length > 0) {
      const batch = waiting;
      waiting = [];
      try {
        await turn(async () => {
          for (const item of batch) await item.run();
        });
      } catch (error) {
        for (const item of batch) item.fail(error);
      }
    }
    running = false;
  }

  return (work) =>
    new Promise((resolve, reject) => {
      waiting.push({ run: () => work().then(resolve, reject), fail: reject });
      if (!running) void drain();
    });
}
