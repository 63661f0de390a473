/** A sleep that ends early when a signal asks for a poll now, or for the end. */
export interface InterruptibleSleep {
  sleep: (ms: number) => Promise<void>;
  /** Ends the sleep that is under way, if any. */
  wake: () => void;
}

/** @param stop ends each sleep at once, for good */
export function interruptibleSleep(stop: AbortSignal): InterruptibleSleep {
  let wake: () => void = () => undefined;
  stop.addEventListener('abort', () => wake());
  return {
    wake: () => wake(),
    sleep: (ms) =>
      new Promise((resolve) => {
        const timer = setTimeout(resolve, stop.aborted ? 0 : ms);
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
      }),
  };
}
