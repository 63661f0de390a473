/** Lets so much work run at once; the rest waits in line. */
export function atMost(limit: number): <T>(work: () => Promise<T>) => Promise<T> {
  const line: (() => void)[] = [];
  let running = 0;
  return async (work) => {
    if (running >= limit) await new Promise<void>((resolve) => line.push(resolve));
    else running += 1;
    try {
      return await work();
    } finally {
      // A place is handed on, not given back, while somebody waits for it.
      const next = line.shift();
      if (next === undefined) running -= 1;
      else next();
    }
  };
}
