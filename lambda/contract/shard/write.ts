/** Changes a tree of shards: of it, a writer reads the path to each changed certificate, and writes it anew under new digests. */
import type { CertificateName } from '#contract/layout.ts';
import type { ManifestEntry, Tombstone } from '#contract/manifest.ts';
import {
  FAN_OUT,
  isInner,
  type LeafShard,
  MAX_LEVELS,
  NO_SHARDS,
  namesIn,
  type Shard,
  type ShardDigests,
  serializeShard,
  slotOf,
} from './node.ts';

/** A leaf that would have more of either becomes an inner node: so a change stays small, whatever certificates say. */
const [MAX_NAMES, MAX_BYTES] = [32, 131_072];

/** From so many names on, a manifest is a tree; below the second number it is one document again. */
const [SHARDED_ABOVE, INLINE_BELOW] = [250, 125];

/**
 * @param content names with a certificate, a tombstone, or both: each takes its place in the root
 * @param isSharded what it is now: around the bound, a fleet does not change its form with each certificate
 */
export function wantsShards(content: LeafShard, isSharded: boolean): boolean {
  const { length } = namesIn(content);
  return length > SHARDED_ABOVE || (isSharded && length >= INLINE_BELOW);
}

/** All that the tree has to say of a name; neither: the name leaves it. */
export interface ShardChange {
  entry: ManifestEntry | undefined;
  tombstone: Tombstone | undefined;
}

export interface WrittenShard {
  shard: Shard;
  text: string;
}

type CompleteEntry = (entry: ManifestEntry, before: ManifestEntry | undefined) => ManifestEntry;

type LoadShard = (sha256: string) => Promise<Shard>;

export interface WrittenShards {
  digests: ShardDigests;
  /** By digest: what has to be in the bucket before a root names it. */
  written: ReadonlyMap<string, WrittenShard>;
}

/**
 * @param before `NO_SHARDS` for a new tree
 * @param load gets a node of `before`
 * @param complete makes a new entry of a changed one and the entry that the tree has
 * @throws what `load` throws
 */
export async function changeShards(
  before: ShardDigests,
  changes: ReadonlyMap<CertificateName, ShardChange>,
  load: LoadShard,
  complete: CompleteEntry = (entry) => entry,
): Promise<WrittenShards> {
  const written = new Map<string, WrittenShard>();
  const digests = await new TreeWriter(load, written, complete).changeSlots(before, [...changes], 0);
  return { digests, written };
}

type NamedChange = readonly [CertificateName, ShardChange];

class TreeWriter {
  readonly #load: LoadShard;
  readonly #written: Map<string, WrittenShard>;
  readonly #complete: CompleteEntry;

  constructor(load: LoadShard, written: Map<string, WrittenShard>, complete: CompleteEntry) {
    this.#complete = complete;
    this.#load = load;
    this.#written = written;
  }

  async changeSlots(
    digests: ShardDigests,
    changes: readonly NamedChange[],
    level: number,
  ): Promise<ShardDigests> {
    const bySlot = Array.from({ length: FAN_OUT }, (): NamedChange[] => []);
    for (const change of changes) bySlot[slotOf(change[0], level)]?.push(change);
    return Promise.all(
      digests.map((sha256, slot) => {
        const own = bySlot[slot] ?? [];
        return own.length === 0 ? sha256 : this.#changeNode(sha256, own, level + 1);
      }),
    );
  }

  async #changeNode(
    sha256: string | null,
    changes: readonly NamedChange[],
    level: number,
  ): Promise<string | null> {
    const before = sha256 === null ? { certificates: {}, tombstones: {} } : await this.#load(sha256);
    if (isInner(before)) return this.#putInner(await this.changeSlots(before.shards, changes, level), sha256);
    const leaf = changedLeaf(before, changes, this.#complete);
    const names = namesIn(leaf);
    if (names.length === 0) return null;
    const { sha256: digest, text } = serializeShard(leaf);
    const isLarge = names.length > MAX_NAMES || Buffer.byteLength(text) > MAX_BYTES;
    if (isLarge && names.length > 1 && level < MAX_LEVELS) {
      const all = names.map((name) => [name, changeOf(leaf, name)] as const);
      return this.#putInner(await this.changeSlots(NO_SHARDS, all, level), sha256);
    }
    return this.#put(digest, { shard: leaf, text }, sha256);
  }

  #putInner(shards: ShardDigests, before: string | null): string | null {
    if (shards.every((sha256) => sha256 === null)) return null;
    const shard = { shards };
    const { sha256, text } = serializeShard(shard);
    return this.#put(sha256, { shard, text }, before);
  }

  #put(sha256: string, content: WrittenShard, before: string | null): string {
    if (sha256 !== before) this.#written.set(sha256, content);
    return sha256;
  }
}

function changeOf({ certificates, tombstones }: LeafShard, name: CertificateName): ShardChange {
  return { entry: certificates[name], tombstone: tombstones[name] };
}

/** Members of a newer writer survive. */
function changedLeaf(before: LeafShard, changes: readonly NamedChange[], complete: CompleteEntry): LeafShard {
  const [certificates, tombstones] = [{ ...before.certificates }, { ...before.tombstones }];
  for (const [name, { entry, tombstone }] of changes) {
    if (entry === undefined) delete certificates[name];
    else certificates[name] = complete(entry, certificates[name]);
    if (tombstone === undefined) delete tombstones[name];
    else tombstones[name] = tombstone;
  }
  return { ...before, certificates, tombstones };
}
