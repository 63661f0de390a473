/**
 * A map of 50,000 files of which a pass changes one: names are spread over shards by a hash. A change copies one shard, so that whoever
 * compares two generations, or saves the later one, finds by identity which shards differ.
 */

/** Of 50,000 files, 49 are in each: their records take 64 KB. */
export const SHARDS = 1024;

type Shard<T> = ReadonlyMap<string, T>;

/** By list of shards. */
const maps = new WeakMap<readonly Shard<unknown>[], ShardedMap<unknown>>();

export class ShardedMap<T> implements ReadonlyMap<string, T> {
  readonly shards: readonly Shard<T>[];
  readonly size: number;

  private constructor(shards: readonly Shard<T>[]) {
    this.shards = shards;
    this.size = shards.reduce((sum, { size }) => sum + size, 0);
    maps.set(shards, this);
  }

  /**
   * @param shards `SHARDS` of them, each with the names that belong there
   * @returns the same map for the same list
   */
  static over<T>(shards: readonly Shard<T>[]): ShardedMap<T> {
    return (maps.get(shards) as ShardedMap<T> | undefined) ?? new ShardedMap(shards);
  }

  static of<T>(record: Readonly<Record<string, T>>): ShardedMap<T> {
    return ShardedMap.over<T>(NO_SHARDS).with(Object.entries(record));
  }

  get(name: string): T | undefined {
    return this.shards[shardOf(name)]?.get(name);
  }

  has(name: string): boolean {
    return this.shards[shardOf(name)]?.has(name) === true;
  }

  *entries(): MapIterator<[string, T]> {
    for (const shard of this.shards) yield* shard;
  }

  *keys(): MapIterator<string> {
    for (const shard of this.shards) yield* shard.keys();
  }

  *values(): MapIterator<T> {
    for (const shard of this.shards) yield* shard.values();
  }

  [Symbol.iterator](): MapIterator<[string, T]> {
    return this.entries();
  }

  forEach(work: (value: T, name: string, map: ReadonlyMap<string, T>) => void): void {
    for (const [name, value] of this) work(value, name, this);
  }

  /**
   * @param changes `undefined`: the name goes
   * @returns itself where nothing differs
   */
  with(changes: Iterable<readonly [string, T | undefined]>): ShardedMap<T> {
    const shards = [...this.shards];
    const copies = new Map<number, Map<string, T>>();
    for (const [name, value] of changes) {
      const index = shardOf(name);
      if (shards[index]?.get(name) === value) continue;
      const copy = copies.get(index) ?? new Map(shards[index]);
      if (value === undefined) copy.delete(name);
      else copy.set(name, value);
      copies.set(index, copy);
      shards[index] = copy;
    }
    return copies.size === 0 ? this : new ShardedMap(shards);
  }
}

/** In the order of the names. */
export function toRecord<T>(map: ReadonlyMap<string, T>): Record<string, T> {
  return Object.fromEntries([...map].sort(([a], [b]) => (a < b ? -1 : 1)));
}

const NO_SHARDS: readonly Shard<never>[] = Array.from({ length: SHARDS }, () => new Map<string, never>());

/** FNV-1a. */
export function shardOf(name: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < name.length; index += 1) {
    hash = Math.imul(hash ^ name.charCodeAt(index), 0x01000193);
  }
  // Its low bits alone would depend on the ends of the names.
  return (hash ^ (hash >>> 16)) & (SHARDS - 1);
}
