/** The shards of one fleet's manifest, in a pass: read from the summary and, where it lacks one, from the bucket; written with a commit. */
import { inParallel } from '#common/in-parallel.ts';
import { digest } from '#contract/combined-pem.ts';
import { codeOf } from '#contract/errors.ts';
import { type CertificateName, type FleetName, layout } from '#contract/layout.ts';
import type { ManifestEntry, Tombstone } from '#contract/manifest.ts';
import type { SignedManifest } from '#contract/root.ts';
import { certificatesIn, tombstonesIn } from '#contract/shard/content.ts';
import { NO_SHARDS, parseShard, type Shard, type ShardDigests } from '#contract/shard/node.ts';
import { type ReadShards, readShards } from '#contract/shard/read.ts';
import { changeShards, type ShardChange, type WrittenShards, wantsShards } from '#contract/shard/write.ts';
import type { Bucket } from '#storage/bucket.ts';
import { readUnlessSpoilt } from '#storage/cached-document.ts';
import { doubtfulShards } from './doubtful-shards.ts';
import { RECEIPT_IN_SHARD, readSummary, saveSummary, summaryOf } from './summary.ts';

/** Written at the same time. */
const CONCURRENCY = 16;
/** Shards that are read to see whether they are whole: of a folder that is gone, the first say enough. */
const MAX_DOUBTFUL = 200;

type Content = Pick<SignedManifest, 'certificates' | 'tombstones'>;

/** What is published now. */
export interface ContentBefore extends Content {
  /** Undefined: in one document. */
  shards: ShardDigests | undefined;
}

export class FleetShards {
  readonly #bucket: Bucket;
  readonly #fleet: FleetName;
  /** By digest: as a summary has them. Those that no root names any more go with the next reading. */
  #known: Map<string, Shard> | undefined;
  /** Digests in the stored summary. */
  #stored: ReadonlySet<string> = new Set();
  /** Of the root that was read last. */
  #root: ShardDigests | undefined;
  #isDamaged = false;

  constructor(bucket: Bucket, fleet: FleetName) {
    this.#bucket = bucket;
    this.#fleet = fleet;
  }

  /** Digests of the tree that was read or written last; none: the manifest is one document. */
  get digests(): string[] {
    return [...(this.#known ?? new Map<string, Shard>()).keys()];
  }

  /** A shard that the root names is missing, altered or cannot be read: the next commit makes the tree anew. */
  get isDamaged(): boolean {
    return this.#isDamaged;
  }

  /** Reads all shards of the bucket: a summary hides what hosts do not find. @throws ContractError, BucketError */
  async check(): Promise<void> {
    if (this.#root !== undefined) await this.#readTree(this.#root, new Map());
  }

  /**
   * Reads the shards that a listing of the bucket puts in doubt.
   * @returns digests of those that are missing or altered: the next commit makes the tree anew
   * @throws BucketError
   */
  async checkListed(now: Date): Promise<string[]> {
    const { digests } = this;
    if (digests.length === 0) return [];
    const doubtful = await doubtfulShards(this.#bucket, this.#fleet, digests, now);
    const read = async (sha256: string) => {
      const body = await this.#fetch(sha256);
      return body !== undefined && digest(body) === sha256 ? [] : [sha256];
    };
    const some = doubtful.slice(0, MAX_DOUBTFUL);
    const lost = (await inParallel(some, CONCURRENCY, read, (sha256) => sha256)).flat();
    this.#isDamaged ||= lost.length > 0;
    return lost;
  }

  /**
   * What only a lost shard said is missing in it: hosts go on serving that.
   * @returns certificates, some of them without their receipts (RECEIPT_IN_SHARD), and tombstones
   * @throws ContractError `ERR_MANIFEST_SCHEMA`, `ERR_MANIFEST_VERSION`; BucketError
   */
  async read(digests: ShardDigests): Promise<Content> {
    this.#root = digests;
    const known = await this.#knownShards();
    const { leaves, ended, tree } = await this.#readTree(digests, known);
    this.#known = new Map(
      [...tree].map(([sha256, shard]) => [sha256, known.get(sha256) ?? summaryOf(shard)]),
    );
    return { certificates: certificatesIn(leaves), tombstones: tombstonesIn(ended) };
  }

  /**
   * Writes what has changed between `before` and `after`, so that a root may name it. A manifest that is small becomes one document again.
   * @returns what the root has to say: shards, or all certificates with their receipts
   * @throws ContractError, BucketError
   */
  async write(
    before: ContentBefore,
    after: SignedManifest,
  ): Promise<{ manifest: SignedManifest; shards: ShardDigests | undefined }> {
    const { shards } = before;
    if (!wantsShards(after, shards !== undefined)) {
      const manifest = shards === undefined ? after : await this.#whole(shards, after);
      this.#known = undefined;
      return { manifest, shards: undefined };
    }
    const tree =
      shards === undefined ? await this.#newTree(after) : await this.#changedTree(shards, before, after);
    const condition = this.#isDamaged ? undefined : { ifNoneMatch: '*' as const };
    await inParallel(
      [...tree.written],
      CONCURRENCY,
      ([sha256, { text }]) => this.#bucket.put(layout.shard(this.#fleet, sha256), text, condition),
      ([sha256]) => sha256,
    );
    const known = await this.#knownShards();
    for (const [sha256, { shard }] of tree.written) known.set(sha256, summaryOf(shard));
    this.#isDamaged = false;
    return { manifest: after, shards: tree.digests };
  }

  async #changedTree(shards: ShardDigests, before: Content, after: SignedManifest): Promise<WrittenShards> {
    const load = async (sha256: string) => parseShard(this.#fleet, sha256, [], await this.#fetch(sha256));
    try {
      if (!this.#isDamaged)
        return await changeShards(shards, changesBetween(before, after), load, withReceipts);
    } catch (error) {
      if (codeOf(error) !== 'ERR_MANIFEST_SHARD') throw error;
      this.#isDamaged = true;
    }
    return this.#newTree(await this.#whole(shards, after));
  }

  #newTree(after: Content): Promise<WrittenShards> {
    const load = async () => {
      throw new TypeError('a new tree has no shard that could be read');
    };
    const changes = changesBetween({ certificates: {}, tombstones: {} }, after);
    return changeShards(NO_SHARDS, changes, load, withReceipts);
  }

  /** Where the stored summary lacks more than a pass should read one by one. @throws BucketError */
  async saveSummary(): Promise<void> {
    const shards = this.#known;
    if (shards === undefined) return;
    const missing = [...shards.keys()].filter((sha256) => !this.#stored.has(sha256)).length;
    const isSaved = await saveSummary(this.#bucket, this.#fleet, { shards, missing });
    if (isSaved) this.#stored = new Set(shards.keys());
  }

  async #knownShards(): Promise<Map<string, Shard>> {
    if (this.#known === undefined) {
      this.#known = await readSummary(this.#bucket, this.#fleet);
      this.#stored = new Set(this.#known.keys());
    }
    return this.#known;
  }

  async #whole(shards: ShardDigests, after: SignedManifest): Promise<SignedManifest> {
    const { leaves } = await this.#readTree(shards, new Map());
    const whole = certificatesIn(leaves);
    const entries = Object.entries(after.certificates).map(([name, entry]) => {
      return [name, withReceipts(entry, whole[name as CertificateName])];
    });
    return { ...after, certificates: Object.fromEntries(entries) };
  }

  #readTree(digests: ShardDigests, known: ReadonlyMap<string, Shard>): Promise<ReadShards> {
    return readShards(this.#fleet, digests, {
      cached: (sha256) => known.get(sha256),
      fetch: (_, sha256) => this.#fetch(sha256),
      lost: () => {
        this.#isDamaged = true;
      },
    });
  }

  /** What cannot be read is as good as missing: the tree is made anew over it. */
  async #fetch(sha256: string): Promise<Buffer | undefined> {
    return (await readUnlessSpoilt(this.#bucket, layout.shard(this.#fleet, sha256)))?.body;
  }
}

/** An entry that is the same object has not changed. */
function changesBetween(before: Content, after: Content): Map<CertificateName, ShardChange> {
  const names = [before, after].flatMap(({ certificates, tombstones }) => [
    ...Object.keys(certificates),
    ...Object.keys(tombstones),
  ]) as CertificateName[];
  const isSame = (name: CertificateName) =>
    before.certificates[name] === after.certificates[name] &&
    isSameTombstone(before.tombstones[name], after.tombstones[name]);
  const changed = [...new Set(names)].filter((name) => !isSame(name));
  return new Map(
    changed.map((name) => [name, { entry: after.certificates[name], tombstone: after.tombstones[name] }]),
  );
}

function isSameTombstone(a: Tombstone | undefined, b: Tombstone | undefined): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}

/** The receipts that only the shard has: of the same PEMs. One that is lost is signed anew by the next commit. */
function withReceipts(entry: ManifestEntry, before: ManifestEntry | undefined): ManifestEntry {
  if (entry.pems.every(({ receipt }) => receipt !== RECEIPT_IN_SHARD)) return entry;
  const receipts = new Map(before?.pems.map(({ sha256, receipt }) => [sha256, receipt]));
  const pems = entry.pems.map(({ receipt, ...pem }) => {
    const own = receipt === RECEIPT_IN_SHARD ? receipts.get(pem.sha256) : receipt;
    return own === undefined ? pem : { ...pem, receipt: own };
  });
  return { ...entry, pems };
}
