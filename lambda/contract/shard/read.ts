/** Reads a tree of shards. Objects never change, so a reader fetches only those that it does not have from an earlier reading. */
import { ContractError, codeOf } from '#contract/errors.ts';
import { type CertificateName, type FleetName, layout } from '#contract/layout.ts';
import type { ManifestEntry, Tombstone } from '#contract/manifest.ts';
import {
  isInner,
  MAX_LEVELS,
  MAX_SHARDED,
  parseShard,
  type Shard,
  type ShardDigests,
  type ShardPath,
} from './node.ts';

/** Fetches at the same time. */
const AT_ONCE = 32;

export interface ShardSource {
  /** What an earlier reading returned; undefined: it has to be fetched. */
  cached(sha256: string): Shard | undefined;
  /** @returns undefined if there is no such object, or none that can be read */
  fetch(key: string, sha256: string): Promise<Buffer | undefined>;
  /** Of a reader that can do without a shard, for it makes the tree anew: told of each that is missing or altered. */
  lost?(sha256: string): void;
}

export interface ReadShards {
  certificates: Record<CertificateName, ManifestEntry>;
  tombstones: Record<CertificateName, Tombstone>;
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
  const read = { certificates: {}, tombstones: {} } as Pick<ReadShards, 'certificates' | 'tombstones'>;
  const tree = new Map<string, Shard>();
  const fetched: string[] = [];
  let count = 0;
  let children = childrenOf(fleet, digests, []);
  const take = ({ sha256, path }: Child, shard: Shard): Child[] => {
    if (tree.has(sha256)) throw broken(fleet, `names the shard ${sha256} twice`);
    tree.set(sha256, shard);
    if (isInner(shard)) return childrenOf(fleet, shard.shards, path);
    for (const name of Object.keys(shard.certificates) as CertificateName[]) {
      read.certificates[name] = shard.certificates[name] as ManifestEntry;
      count += 1;
    }
    Object.assign(read.tombstones, shard.tombstones);
    if (count > maxCertificates) throw broken(fleet, `has more than ${maxCertificates} certificates`);
    return [];
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
  return { ...read, tree, fetched };
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
