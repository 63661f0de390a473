/** Sleep that somebody can end: a signal that polls now, or that stops. */
export interface Napper {
  nap: (ms: number) => Promise<void>;
  wake: () => void;
}

export function napper(stop: AbortSignal): Napper {
  let wake: () => void = () => undefined;
  stop.addEventListener('abort', () => wake());
  return {
    wake: () => wake(),
    nap: (ms) =>
      new Promise((resolve) => {
        const timer = setTimeout(resolve, stop.aborted ? 0 : ms);
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
      }),
  };
}
