/**
 * The nodes of a tree of shards, in a part for each slot of the root. Two trees that differ in one certificate have the other parts in
 * common: whoever reads the second, or compares both, walks only the part that is another.
 */
import type { InnerShard, LeafShard, Shard } from './node.ts';

/** An inner node with all that is below it. */
export interface Subtree {
  /** Where it is: its certificates belong there, and nowhere else. */
  path: string;
  /** By digest: all nodes below it. */
  nodes: ReadonlyMap<string, Shard>;
  leaves: readonly LeafShard[];
  /** Those of them with a tombstone. */
  ended: readonly LeafShard[];
  certificates: number;
  /** None of them is lost. */
  isWhole: boolean;
}

/** What is in one slot of the root: a leaf, or an inner node. */
export interface TreePart extends Omit<Subtree, 'path'> {
  /** By digest: the node of the slot, and all below it. */
  nodes: ReadonlyMap<string, Shard>;
  sha256: string;
}

/** By slot; undefined: there is no certificate, or the node is lost. */
type TreeParts = readonly (TreePart | undefined)[];

export class ShardTree implements Iterable<[string, Shard]> {
  readonly #slots: TreeParts;
  readonly #parts: readonly TreePart[];

  constructor(slots: TreeParts) {
    this.#slots = slots;
    this.#parts = slots.filter((part) => part !== undefined);
  }

  get leaves(): readonly LeafShard[] {
    return joined(this.#parts.map(({ leaves }) => leaves));
  }

  /** Those of them with a tombstone. */
  get ended(): readonly LeafShard[] {
    return joined(this.#parts.map(({ ended }) => ended));
  }

  get certificates(): number {
    return this.#parts.reduce((sum, { certificates }) => sum + certificates, 0);
  }

  partAt(slot: number): TreePart | undefined {
    return this.#slots[slot];
  }

  get(sha256: string): Shard | undefined {
    for (const { nodes } of this.#parts) {
      const shard = nodes.get(sha256);
      if (shard !== undefined) return shard;
    }
    return undefined;
  }

  has(sha256: string): boolean {
    return this.get(sha256) !== undefined;
  }

  *[Symbol.iterator](): MapIterator<[string, Shard]> {
    for (const { nodes } of this.#parts) yield* nodes;
  }

  /** @returns the digests of nodes that `later` does not have */
  goneIn(later: ShardTree): string[] {
    return this.#slots.flatMap((part, slot) => {
      const other = later.#slots[slot];
      if (part === undefined || part === other) return [];
      return [...part.nodes.keys()].filter((sha256) => !other?.nodes.has(sha256) && !later.has(sha256));
    });
  }
}

/** Many times faster than flatMap(), which calls back. */
function joined<T>(lists: readonly (readonly T[])[]): T[] {
  return ([] as T[]).concat(...lists);
}

/** What earlier readings have put together: a shard never changes, so of a large tree only the path to a change is walked again. */
export interface KnownTrees {
  subtrees: WeakMap<InnerShard, Subtree>;
  /** The last one: its parts have no node in common. */
  last?: ShardTree | undefined;
}
