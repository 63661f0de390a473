/** Limits on how much work runs at once. */
import { Place, Places } from './places.ts';

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

/**
 * Works on `limit` groups at once, and on the items of a group one after another. Where an item fails, no further group
 * takes its place: a fault that all items share ends after `limit` of them.
 * @param work may give its place to another group while it only waits
 * @returns the results in the order of `items`
 */
export async function inParallel<T, R>(
  items: readonly T[],
  limit: number,
  work: (item: T, place: Place) => Promise<R>,
  groupOf: (item: T) => string,
): Promise<R[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) groups.set(groupOf(item), [...(groups.get(groupOf(item)) ?? []), item]);
  const results = new Map<T, R>();
  const places = new Places(limit);
  const workThrough = async (group: readonly T[]) => {
    await places.take();
    const place = new Place(places);
    for (const item of group) results.set(item, await work(item, place));
    place.leave();
  };
  await Promise.all([...groups.values()].map(workThrough));
  return items.flatMap((item) => results.get(item) ?? []);
}
