/** Issuer and host of both versions of the contract, reduced to what depends on the number of certificates. */
import { type CertificateName, layout } from '#contract/layout.ts';
import { type Manifest, manifestEntry, serializeManifest } from '#contract/manifest.ts';
import { type SignedManifest, serializeRoot } from '#contract/root.ts';
import { NO_SHARDS, type ShardDigests } from '#contract/shard/node.ts';
import { changeShards, wantsShards } from '#contract/shard/write.ts';
import type { Bucket } from '#storage/bucket.ts';
import { isUnchangedIn, type Reads } from '../../agent/trust/published.ts';
import { IssuerMemory } from '../../lambda/publication/ended.ts';
import { Publisher } from '../../lambda/publication/publisher.ts';
import { readRoot } from '../../lambda/publication/read-manifest.ts';
import { BenchHost } from './scale-host.ts';
import { type CountedBucket, entryOf, fleet, nameOf, PEM_BYTES, signer } from './scale-stage.ts';

export interface Programs {
  /** Publishes `count` certificates in one commit. */
  publishAll(bucket: CountedBucket, count: number): Promise<void>;
  /** Publishes a new version of some of them in one commit. */
  publish(bucket: CountedBucket, indexes: readonly number[], version: number): Promise<void>;
  /** Reads all that a pass decides about. */
  survey(bucket: CountedBucket): Promise<unknown>;
  /** A resident host. */
  host(bucket: CountedBucket): {
    poll(): Promise<void>;
    /** What the host itself has written since a time, in ms. */
    bytesSince?(time: number): number;
  };
}

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
  survey: read1,
  host(bucket) {
    let [etag, inForce]: [string, Manifest | undefined] = ['', undefined];
    return {
      async poll() {
        const answer = await bucket.get(layout.manifest(fleet), { ifNoneMatch: etag });
        if (answer === undefined || answer === 'not-modified') return;
        const manifest = parse1(answer.body);
        if (inForce?.updatedAt === manifest.updatedAt && etag === answer.etag) return;
        [etag, inForce] = [answer.etag, manifest];
        await getPem(bucket);
      },
    };
  },
};

const version2: Programs = {
  async publishAll(bucket, size) {
    await putFleet(bucket, allEntries(size, 2));
    await surveyShards(bucket);
  },
  async publish(bucket, indexes, version) {
    const publisher = new Publisher(asBucket(bucket), fleet, publisherOptions(bucket));
    await Promise.all(
      indexes.map((index) => {
        const entry = entryOf(index, version, 1);
        const texts = entry.pems.map(({ sha256 }) => ({ sha256, text: 'x'.repeat(PEM_BYTES) }));
        return publisher.publish(nameOf(index), entry, texts);
      }),
    );
  },
  survey: surveyShards,
  host(bucket) {
    const host = new BenchHost(bucket);
    let reads: Reads = new Map();
    return {
      bytesSince: (time) => host.bytesSince(time),
      async poll() {
        if (await isUnchangedIn(bucket, reads)) return;
        reads = (await host.pass()).reads;
        await getPem(bucket);
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

async function surveyShards(bucket: CountedBucket): Promise<void> {
  const { memory, signing } = publisherOptions(bucket);
  await readRoot(asBucket(bucket), fleet, signing, memory);
  await memory.shardsOf(fleet).saveSummary();
}

const asBucket = (bucket: CountedBucket) => bucket as unknown as Bucket;

/** Without hosts that read version 1. */
function publisherOptions(bucket: CountedBucket) {
  const signing = {
    ...{ lineage: 'bench', signer, statements: [], lowestSequence: 0 },
    isOurs: () => true,
    isInherited: () => true,
  };
  const memory = new IssuerMemory(asBucket(bucket));
  const first = async () => undefined;
  return { now: () => new Date(), signing, memory, first, writeAlong: async () => undefined };
}

/** A fleet as it has become, in one commit and without its PEMs. */
async function putFleet(bucket: CountedBucket, certificates: Manifest['certificates']): Promise<void> {
  const manifest = { ...empty2(), certificates };
  let digests: ShardDigests | undefined;
  if (wantsShards(manifest, false)) {
    const changes = Object.entries(certificates).map(
      ([name, entry]) => [name as CertificateName, { entry, tombstone: undefined }] as const,
    );
    const load = async () => Promise.reject(new Error('a new tree has no shard'));
    const tree = await changeShards(NO_SHARDS, new Map(changes), load);
    for (const [sha256, { text }] of tree.written) await bucket.put(layout.shard(fleet, sha256), text);
    digests = tree.digests;
  }
  await bucket.put(layout.root(fleet), serializeRoot(manifest, signer, digests).text);
}
