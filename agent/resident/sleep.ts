/** Sleep that somebody can end: a signal that polls now, or that stops. */
export interface InterruptibleSleep {
  sleep: (ms: number) => Promise<void>;
  wake: () => void;
}

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
