/** A sleep that ends early when a signal asks for a poll now, or for the end. */
export interface InterruptibleSleep {
  sleep: (ms: number) => Promise<void>;
  /** Ends the sleep that is under way; without one the next ends at once: whoever asks may have come too late for the poll in hand. */
  wake: () => void;
}

/** @param stop ends each sleep at once, for good */
export function interruptibleSleep(stop: AbortSignal): InterruptibleSleep {
  let isWanted = false;
  let end: (() => void) | undefined;
  const wake = () => {
    isWanted = true;
    end?.();
  };
  stop.addEventListener('abort', wake);
  return {
    wake,
    sleep: async (ms) => {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, isWanted || stop.aborted ? 0 : ms);
        end = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      end = undefined;
      isWanted = false;
    },
  };
}
