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
import { type KnownTrees, ShardTree, type Subtree, type TreePart } from './tree.ts';

/** Fetches at the same time. */
const AT_ONCE = 32;

export interface ShardSource {
  /** What an earlier reading returned; undefined: it has to be fetched. */
  cached(sha256: string): Shard | undefined;
  /** @returns undefined if there is no such object, or none that can be read */
  fetch(key: string, sha256: string): Promise<Buffer | undefined>;
  /** Of a reader that can do without a shard, for it makes the tree anew: told of each that is missing or altered. */
  lost?(sha256: string): void;
  /** Of a reader whose `cached` always returns the same object; absent: the whole tree is walked. */
  known?: KnownTrees;
}

export interface ReadShards {
  /** All of the tree: content.ts has what they say. */
  leaves: readonly LeafShard[];
  /** Those of them with a tombstone. */
  ended: readonly LeafShard[];
  tree: ShardTree;
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
  const last = source.known?.last;
  const kept = digests.map((sha256, slot) => {
    const part = last?.partAt(slot);
    return part?.sha256 === sha256 && part.isWhole ? part : undefined;
  });
  const before = new ShardTree(kept);
  const walked = new Map<string, Shard>();
  const fetched: string[] = [];
  let count = 0;
  const countUp = (more: number) => {
    count += more;
    if (count > maxCertificates) throw broken(fleet, `has more than ${maxCertificates} certificates`);
  };
  countUp(before.certificates);
  let children = childrenOf(fleet, digests, []).filter(({ path: [slot = 0] }) => kept[slot] === undefined);
  const lastIn = ([slot = 0]: ShardPath) => last?.partAt(slot)?.nodes;
  const add = (sha256: string, shard: Shard, path: ShardPath) => {
    // What was in this slot of the last tree is in none of its other parts.
    const isElsewhere = lastIn(path)?.has(sha256) !== true && before.has(sha256);
    if (walked.has(sha256) || isElsewhere) throw broken(fleet, `names the shard ${sha256} twice`);
    walked.set(sha256, shard);
  };
  const take = ({ sha256, path }: Child, shard: Shard): Child[] => {
    add(sha256, shard, path);
    const subtree = isInner(shard) ? knownAt(path, shard, source) : undefined;
    for (const [below, node] of subtree?.nodes ?? []) add(below, node, path);
    const isWalked = isInner(shard) && subtree === undefined;
    countUp(subtree?.certificates ?? (isInner(shard) ? 0 : Object.keys(shard.certificates).length));
    return isWalked ? childrenOf(fleet, shard.shards, path) : [];
  };
  while (children.length > 0) {
    const next: Child[] = [];
    const missing = children.filter((child) => {
      const shard = lastIn(child.path)?.get(child.sha256) ?? source.cached(child.sha256);
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
  const tree = new ShardTree(
    digests.map((sha256, slot) => kept[slot] ?? partOf(sha256, slot, walked, source)),
  );
  if (source.known !== undefined) source.known.last = tree;
  return { leaves: tree.leaves, ended: tree.ended, tree, fetched };
}

/** Of what was walked. */
function partOf(
  sha256: string | null,
  slot: number,
  walked: ReadonlyMap<string, Shard>,
  source: ShardSource,
): TreePart | undefined {
  const node = sha256 === null ? undefined : walked.get(sha256);
  if (sha256 === null || node === undefined) return undefined;
  const below = isInner(node) ? subtreeOf(node, [slot], walked, source) : subtreeOfLeaf(node);
  return { ...below, sha256, nodes: new Map([[sha256, node], ...below.nodes]) };
}

function subtreeOfLeaf(leaf: LeafShard): Omit<Subtree, 'path'> {
  const ended = Object.keys(leaf.tombstones).length > 0 ? [leaf] : [];
  const certificates = Object.keys(leaf.certificates).length;
  return { nodes: new Map(), leaves: [leaf], ended, certificates, isWhole: true };
}

function knownAt(path: ShardPath, shard: InnerShard, { known }: ShardSource): Subtree | undefined {
  const subtree = known?.subtrees.get(shard);
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
    const below = isInner(child) ? subtreeOf(child, [...path, slot], tree, source) : subtreeOfLeaf(child);
    for (const [digest, node] of below.nodes) nodes.set(digest, node);
    for (const leaf of below.leaves) leaves.push(leaf);
    for (const leaf of below.ended) ended.push(leaf);
    certificates += below.certificates;
    isWhole &&= below.isWhole;
  }
  const subtree = { path: path.join(), nodes, leaves, ended, certificates, isWhole };
  if (isWhole) source.known?.subtrees.set(shard, subtree);
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
