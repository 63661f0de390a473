/** Issuer and host of both versions of the contract, reduced to what depends on the number of certificates. */
import { type CertificateName, layout } from '#contract/layout.ts';
import { type Manifest, manifestEntry, serializeManifest } from '#contract/manifest.ts';
import { parseRootParts, type SignedManifest, serializeRoot } from '#contract/root.ts';
import { NO_SHARDS, parseShard, type Shard, type ShardDigests } from '#contract/shard/node.ts';
import { readShards } from '#contract/shard/read.ts';
import { changeShards, type ShardChange, wantsShards } from '#contract/shard/write.ts';
import type { Bucket } from '#storage/bucket.ts';
import { readSummary, saveSummary } from '../../lambda/publication/shards/summary.ts';
import { type CountedBucket, entryOf, fleet, nameOf, signer } from './scale-stage.ts';

export interface Programs {
  /** Publishes `count` certificates in one commit. */
  publishAll(bucket: CountedBucket, count: number): Promise<void>;
  /** Publishes a new version of some of them in one commit. */
  publish(bucket: CountedBucket, indexes: readonly number[], version: number): Promise<void>;
  /** Reads all that a pass decides about. @returns the number of certificates */
  survey(bucket: CountedBucket): Promise<number>;
  /** A resident host. @returns the number of certificates */
  host(bucket: CountedBucket): { poll(): Promise<number> };
}

const count = ({ certificates }: Pick<Manifest, 'certificates'>) => Object.keys(certificates).length;

const version1: Programs = {
  async publishAll(bucket, size) {
    await put1(bucket, { ...empty1(), certificates: allEntries(size, 1) });
  },
  async publish(bucket, indexes, version) {
    const manifest = await read1(bucket);
    const certificates = { ...manifest.certificates };
    for (const index of indexes) certificates[nameOf(index)] = entryOf(index, version, 1);
    for (const index of indexes) await bucket.putPem(index, version);
    await put1(bucket, { ...manifest, certificates });
  },
  survey: async (bucket) => count(await read1(bucket)),
  host(bucket) {
    let [etag, manifest]: [string, Manifest] = ['', empty1()];
    return {
      async poll() {
        const answer = await bucket.get(layout.manifest(fleet), { ifNoneMatch: etag });
        if (answer === undefined || answer === 'not-modified') return count(manifest);
        [etag, manifest] = [answer.etag, parse1(answer.body)];
        await getPem(bucket);
        return count(manifest);
      },
    };
  },
};

const version2: Programs = {
  async publishAll(bucket, size) {
    const changes = Object.entries(allEntries(size, 2)).map(
      ([name, entry]) => [name as CertificateName, { entry, tombstone: undefined }] as const,
    );
    await commit(bucket, changes, { manifest: empty2(), shards: undefined });
    await surveyShards(bucket);
  },
  async publish(bucket, indexes, version) {
    const changes = indexes.map(
      (index) => [nameOf(index), { entry: entryOf(index, version, 2), tombstone: undefined }] as const,
    );
    for (const index of indexes) await bucket.putPem(index, version);
    await commit(bucket, changes, await readRoot(bucket));
  },
  survey: surveyShards,
  host(bucket) {
    let [etag, certificates]: [string, number] = ['', 0];
    let shards: ReadonlyMap<string, Shard> = new Map();
    return {
      async poll() {
        const answer = await bucket.get(layout.root(fleet), { ifNoneMatch: etag });
        if (answer === undefined || answer === 'not-modified') return certificates;
        const parts = parseRootParts(fleet, answer.body);
        etag = answer.etag;
        certificates = count(parts.manifest);
        if (parts.shards !== undefined) {
          const source = {
            cached: (sha256: string) => shards.get(sha256),
            fetch: (key: string) => bodyOf(bucket, key),
          };
          const read = await readShards(fleet, parts.shards, source);
          [shards, certificates] = [read.tree, count(read)];
        }
        await getPem(bucket);
        return certificates;
      },
    };
  },
};

export const programs: Readonly<Record<1 | 2, Programs>> = { 1: version1, 2: version2 };

const emptyOf = { fleet, updatedAt: '2026-11-27T00:00:00.000Z', certificates: {} };
const empty1 = (): Manifest => ({ version: 1, ...emptyOf });
const empty2 = (): SignedManifest => ({
  ...{ ...emptyOf, version: 2, lineage: 'bench', sequence: 1, signedAt: emptyOf.updatedAt },
  ...{ requires: [], tombstones: {} },
});

function allEntries(size: number, contract: 1 | 2): Manifest['certificates'] {
  const entries = Array.from({ length: size }, (_, index) => [nameOf(index), entryOf(index, 1, contract)]);
  return Object.fromEntries(entries);
}

async function bodyOf(bucket: CountedBucket, key: string): Promise<Buffer> {
  const object = await bucket.get(key);
  if (object === undefined) throw new Error(`the bucket has no ${key}`);
  return object.body;
}

/** The one PEM that has changed: any of this length. */
async function getPem(bucket: CountedBucket): Promise<void> {
  const [pem] = entryOf(0, 1, 1).pems;
  if (pem !== undefined) await bucket.get(layout.pem(fleet, nameOf(0), pem.sha256));
}

async function read1(bucket: CountedBucket): Promise<Manifest> {
  return parse1(await bodyOf(bucket, layout.manifest(fleet)));
}

/** Without its bounds: a reader of version 1 refuses what 50,000 certificates make. */
function parse1(body: Buffer): Manifest {
  const manifest = JSON.parse(body.toString('utf8')) as Manifest;
  const entries = Object.entries(manifest.certificates);
  const certificates = Object.fromEntries(entries.map(([name, entry]) => [name, manifestEntry.parse(entry)]));
  return { ...manifest, certificates };
}

async function put1(bucket: CountedBucket, manifest: Manifest): Promise<void> {
  await bucket.put(layout.manifest(fleet), serializeManifest(manifest));
}

async function readRoot(bucket: CountedBucket) {
  return parseRootParts(fleet, await bodyOf(bucket, layout.root(fleet)));
}

async function surveyShards(bucket: CountedBucket): Promise<number> {
  const { manifest, shards } = await readRoot(bucket);
  if (shards === undefined) return count(manifest);
  const summary = await readSummary(bucket as unknown as Bucket, fleet);
  const read = await readShards(fleet, shards, {
    cached: (sha256) => summary.get(sha256),
    fetch: (key) => bodyOf(bucket, key),
  });
  const missing = read.fetched.length;
  await saveSummary(bucket as unknown as Bucket, fleet, { shards: read.tree, missing });
  return count(read);
}

async function commit(
  bucket: CountedBucket,
  changes: readonly (readonly [CertificateName, ShardChange])[],
  { manifest, shards: before }: { manifest: SignedManifest; shards: ShardDigests | undefined },
): Promise<void> {
  const sequence = manifest.sequence + 1;
  const certificates = { ...manifest.certificates };
  for (const [name, { entry }] of changes) {
    if (entry !== undefined) certificates[name] = entry;
  }
  let digests: ShardDigests | undefined;
  if (before !== undefined || wantsShards(Object.keys(certificates).length, false)) {
    const load = async (sha256: string) =>
      parseShard(fleet, sha256, [], await bodyOf(bucket, layout.shard(fleet, sha256)));
    const byName = new Map(changes);
    const tree = await changeShards(before ?? NO_SHARDS, byName, load);
    for (const [sha256, { text }] of tree.written) await bucket.put(layout.shard(fleet, sha256), text);
    digests = tree.digests;
  }
  const { text } = serializeRoot({ ...manifest, sequence, certificates }, signer, digests);
  await bucket.put(layout.root(fleet), text);
}
