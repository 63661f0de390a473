/** Bounded parallel work; items of one group go one after another. */

export async function inParallel<T, R>(
  items: readonly T[],
  limit: number,
  work: (item: T) => Promise<R>,
  groupOf: (item: T) => string,
): Promise<R[]> {
  const results = new Map<T, R>();
  const groups = new Map<string, T[]>();
  for (const item of items) groups.set(groupOf(item), [...(groups.get(groupOf(item)) ?? []), item]);
  const queue = [...groups.values()];
  async function worker(): Promise<void> {
    for (let group = queue.shift(); group !== undefined; group = queue.shift()) {
      for (const item of group) results.set(item, await work(item));
    }
  }
  await Promise.all(Array.from({ length: Math.min(limit, queue.length) }, worker));
  return items.flatMap((item) => results.get(item) ?? []);
}
