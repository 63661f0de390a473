/** Work that is dearer by the call than by the item: one lock, one conditional write for many. */

/**
 * Hands items to `run` in batches: the first at once, and those that come meanwhile together in the next call.
 * @returns a function that adds an item and gives the result of its batch; a failure is the whole batch's
 */
export function batched<T, R>(run: (batch: readonly T[]) => Promise<R>): (item: T) => Promise<R> {
  let waiting: { item: T; resolve: (result: R) => void; reject: (error: unknown) => void }[] = [];
  let isRunning = false;

  async function drain(): Promise<void> {
    isRunning = true;
    while (waiting.length > 0) {
      const batch = waiting;
      waiting = [];
      try {
        const result = await run(batch.map(({ item }) => item));
        for (const { resolve } of batch) resolve(result);
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    isRunning = false;
  }

  return (item) =>
    new Promise((resolve, reject) => {
      waiting.push({ item, resolve, reject });
      if (!isRunning) void drain();
    });
}
