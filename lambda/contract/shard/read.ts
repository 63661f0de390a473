/** Reads a tree of shards. Objects never change, so a reader fetches only those that it does not have from an earlier reading. */
import { ContractError, codeOf } from '#contract/errors.ts';
import { type FleetName, layout } from '#contract/layout.ts';
import {
  type InnerShard,
  isInner,
  type LeafShard,
  MAX_LEVELS,
  MAX_SHARDED,
  parseShard,
  type Shard,
  type ShardDigests,
  type ShardPath,
} from './node.ts';

/** Fetches at the same time. */
const AT_ONCE = 32;

/** An inner node with all that is below it. */
interface Subtree {
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

/** What earlier readings have put together: a shard never changes, so of a large tree only the path to a change is walked again. */
export type KnownSubtrees = WeakMap<InnerShard, Subtree>;

export interface ShardSource {
  /** What an earlier reading returned; undefined: it has to be fetched. */
  cached(sha256: string): Shard | undefined;
  /** @returns undefined if there is no such object, or none that can be read */
  fetch(key: string, sha256: string): Promise<Buffer | undefined>;
  /** Of a reader that can do without a shard, for it makes the tree anew: told of each that is missing or altered. */
  lost?(sha256: string): void;
  /** Of a reader whose `cached` always returns the same object; absent: the whole tree is walked. */
  known?: KnownSubtrees;
}

export interface ReadShards {
  /** All of the tree: content.ts has what they say. */
  leaves: readonly LeafShard[];
  /** Those of them with a tombstone. */
  ended: readonly LeafShard[];
  /** By digest: all nodes of the tree. */
  tree: ReadonlyMap<string, Shard>;
  /** Digests of those that were fetched. */
  fetched: readonly string[];
}

/**
 * All certificates, or an error: a part of a manifest is none.
 * @param maxCertificates a tree with more is refused before they fill the memory
 * @throws ContractError `ERR_MANIFEST_SHARD`, `ERR_MANIFEST_SCHEMA`, `ERR_MANIFEST_VERSION`, and what `fetch` throws
 */
export async function readShards(
  fleet: FleetName,
  digests: ShardDigests,
  source: ShardSource,
  maxCertificates = MAX_SHARDED,
): Promise<ReadShards> {
  const tree = new Map<string, Shard>();
  const fetched: string[] = [];
  let count = 0;
  let children = childrenOf(fleet, digests, []);
  const add = (sha256: string, shard: Shard) => {
    if (tree.has(sha256)) throw broken(fleet, `names the shard ${sha256} twice`);
    tree.set(sha256, shard);
  };
  const take = ({ sha256, path }: Child, shard: Shard): Child[] => {
    add(sha256, shard);
    const subtree = isInner(shard) ? knownAt(path, shard, source) : undefined;
    for (const [below, node] of subtree?.nodes ?? []) add(below, node);
    const isWalked = isInner(shard) && subtree === undefined;
    count += subtree?.certificates ?? (isInner(shard) ? 0 : Object.keys(shard.certificates).length);
    if (count > maxCertificates) throw broken(fleet, `has more than ${maxCertificates} certificates`);
    return isWalked ? childrenOf(fleet, shard.shards, path) : [];
  };
  while (children.length > 0) {
    const next: Child[] = [];
    const missing = children.filter((child) => {
      const shard = source.cached(child.sha256);
      if (shard !== undefined) next.push(...take(child, shard));
      return shard === undefined;
    });
    for (let from = 0; from < missing.length; from += AT_ONCE) {
      const some = missing.slice(from, from + AT_ONCE);
      const bodies = await Promise.all(
        some.map(({ sha256 }) => source.fetch(layout.shard(fleet, sha256), sha256)),
      );
      for (const [index, child] of some.entries()) {
        fetched.push(child.sha256);
        const shard = parseUnlessLost(fleet, child, bodies[index], source);
        if (shard !== undefined) next.push(...take(child, shard));
      }
    }
    children = next;
  }
  const { leaves, ended } = subtreeOf({ shards: digests }, [], tree, source);
  return { leaves, ended, tree, fetched };
}

function knownAt(path: ShardPath, shard: InnerShard, { known }: ShardSource): Subtree | undefined {
  const subtree = known?.get(shard);
  return subtree?.path === path.join() ? subtree : undefined;
}

/** Of what is read. Remembers each inner node of which nothing is lost. */
function subtreeOf(
  shard: InnerShard,
  path: ShardPath,
  tree: ReadonlyMap<string, Shard>,
  source: ShardSource,
): Subtree {
  const known = knownAt(path, shard, source);
  if (known !== undefined) return known;
  const nodes = new Map<string, Shard>();
  const [leaves, ended]: [LeafShard[], LeafShard[]] = [[], []];
  let certificates = 0;
  let isWhole = true;
  for (const [slot, sha256] of shard.shards.entries()) {
    const child = sha256 === null ? undefined : tree.get(sha256);
    isWhole &&= sha256 === null || child !== undefined;
    if (sha256 === null || child === undefined) continue;
    nodes.set(sha256, child);
    if (isInner(child)) {
      const below = subtreeOf(child, [...path, slot], tree, source);
      for (const [digest, node] of below.nodes) nodes.set(digest, node);
      for (const leaf of below.leaves) leaves.push(leaf);
      for (const leaf of below.ended) ended.push(leaf);
      certificates += below.certificates;
      isWhole &&= below.isWhole;
    } else {
      leaves.push(child);
      if (Object.keys(child.tombstones).length > 0) ended.push(child);
      certificates += Object.keys(child.certificates).length;
    }
  }
  const subtree = { path: path.join(), nodes, leaves, ended, certificates, isWhole };
  if (isWhole) source.known?.set(shard, subtree);
  return subtree;
}

function parseUnlessLost(
  fleet: FleetName,
  { sha256, path }: Child,
  body: Buffer | undefined,
  { lost }: ShardSource,
): Shard | undefined {
  try {
    return parseShard(fleet, sha256, path, body);
  } catch (error) {
    if (lost === undefined || codeOf(error) !== 'ERR_MANIFEST_SHARD') throw error;
    lost(sha256);
    return undefined;
  }
}

function broken(fleet: FleetName, says: string): ContractError {
  return new ContractError('ERR_MANIFEST_SCHEMA', layout.root(fleet), `its tree of shards ${says}`);
}

interface Child {
  sha256: string;
  path: ShardPath;
}

function childrenOf(fleet: FleetName, digests: ShardDigests, path: ShardPath): Child[] {
  if (path.length >= MAX_LEVELS) throw broken(fleet, `has more than ${MAX_LEVELS} levels`);
  return digests.flatMap((sha256, slot) => (sha256 === null ? [] : [{ sha256, path: [...path, slot] }]));
}
