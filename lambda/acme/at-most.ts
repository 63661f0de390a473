/** Runs at most `limit` pieces of work at once; the others wait in line. */
export function atMost(limit: number): <T>(work: () => Promise<T>) => Promise<T> {
  const line: (() => void)[] = [];
  let running = 0;
  return async (work) => {
    if (running >= limit) await new Promise<void>((resolve) => line.push(resolve));
    else running += 1;
    try {
      return await work();
    } finally {
      // While others wait, this one hands its place on instead of giving it back.
      const next = line.shift();
      if (next === undefined) running -= 1;
      else next();
    }
  };
}
