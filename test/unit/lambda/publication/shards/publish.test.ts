/** A fleet that grows beyond one document, and shrinks again: what a publication writes, and what the next pass reads. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DAY_MS } from '#common/time.ts';
import { type CertificateName, layout } from '#contract/layout.ts';
import type { ManifestEntry } from '#contract/manifest.ts';
import { readReceipt } from '#contract/receipt.ts';
import { parseRootParts } from '#contract/root.ts';
import { withShardContent } from '#contract/shard/content.ts';
import { readShards } from '#contract/shard/read.ts';
import { readUnlessSpoilt } from '#storage/cached-document.ts';
import { IssuerMemory } from '../../../../../lambda/publication/ended.ts';
import type { Publisher } from '../../../../../lambda/publication/publisher.ts';
import { readRoot } from '../../../../../lambda/publication/read-manifest.ts';
import { type MemoryBucket, memoryBucket } from '../../../../support/bucket/memory-bucket.ts';
import { after, noon } from '../../../../support/clock.ts';
import { fleet, makeEntry, makePemRef, named } from '../../../../support/issuer/documents.ts';
import { testPublisher, testSigning } from '../../../../support/issuer/signing.ts';
import { parseRoot } from '../../../../support/parse-root.ts';

const digestOf = (text: string) => Buffer.from(text).toString('hex').padStart(64, '0');
const nameOf = (index: number) => named(`c${index}.test`);
const entryOf = (index: number, version = 1): ManifestEntry =>
  makeEntry({
    identifiers: [nameOf(index)],
    pems: [makePemRef({ sha256: digestOf(`${index}-${version}`) })],
  });
const pemOf = (index: number, version = 1) => ({ sha256: digestOf(`${index}-${version}`), text: 'x' });
const entries = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => from + index);

/** As one pass has it. */
function openPass(bucket: MemoryBucket) {
  const memory = new IssuerMemory(bucket);
  const publisher = testPublisher(bucket, fleet, { memory });
  return { memory, publisher, shards: memory.shardsOf(fleet) };
}

const publishAll = (publisher: Publisher, indexes: readonly number[], version = 1) =>
  Promise.all(
    indexes.map((index) =>
      publisher.publish(nameOf(index), entryOf(index, version), [pemOf(index, version)]),
    ),
  );

/** As a host reads it. */
async function readAsHost(bucket: MemoryBucket) {
  const root = await bucket.get(layout.root(fleet));
  assert.ok(root);
  const { manifest, shards } = parseRootParts(fleet, root.body);
  if (shards === undefined) return { isSharded: false, bytes: root.body.length, ...manifest };
  const fetch = async (key: string) => (await readUnlessSpoilt(bucket, key))?.body;
  const read = await readShards(fleet, shards, { cached: () => undefined, fetch });
  return { ...withShardContent(manifest, read), isSharded: true, bytes: root.body.length };
}

function assertReceipts(certificates: Record<CertificateName, ManifestEntry>): void {
  for (const [name, { pems, sequence }] of Object.entries(certificates)) {
    const [{ receipt = '', sha256 } = makePemRef()] = pems;
    const { claims, key } = readReceipt(receipt);
    assert.deepEqual([claims.name, claims.sha256, claims.sequence], [name, sha256, sequence]);
    assert.equal(key, testSigning.signer.key);
  }
}

const putsIn = (bucket: MemoryBucket) =>
  bucket.calls
    .splice(0)
    .filter((call) => call.startsWith('put '))
    .map((call) => call.slice('put '.length));
/** Beside PEMs, version 1 for hosts that read no other, and the history, which may fail. */
const isOfManifest = (key: string) => !/\.pem$|manifest\.json$|^issuer\/history\//.test(key);

const templates = new Map<number, Promise<MemoryBucket>>();

async function makeFleet(count: number): Promise<MemoryBucket> {
  const bucket = memoryBucket();
  const pass = openPass(bucket);
  await publishAll(pass.publisher, entries(0, count));
  await pass.shards.saveSummary();
  return bucket;
}

/** A copy, without PEMs and histories: many are slow to publish. */
async function largeFleet(count = 300): Promise<MemoryBucket> {
  const template = templates.get(count) ?? makeFleet(count);
  templates.set(count, template);
  const [from, bucket] = [await template, memoryBucket()];
  const keys = [...(await from.list('published/')), ...(await from.list('issuer/'))].filter(
    (key) => !/\.pem$|^issuer\/history\//.test(key),
  );
  for (const key of keys) await bucket.put(key, from.text(key) ?? '');
  bucket.calls.length = 0;
  return bucket;
}

test('above the bound a root has shards; one change writes a shard and the root', async () => {
  const bucket = await largeFleet();
  const first = await readAsHost(bucket);
  assert.equal(first.isSharded, true);
  assert.equal(Object.keys(first.certificates).length, 300);
  assertReceipts(first.certificates);
  bucket.calls.length = 0;

  await publishAll(openPass(bucket).publisher, [7], 2);

  const keys = putsIn(bucket).filter(isOfManifest);
  assert.deepEqual(
    keys.map((key) => key.replace(/[0-9a-f]{64}/, '…')),
    [`published/${fleet}/shard/….json`, layout.root(fleet)],
  );
  const second = await readAsHost(bucket);
  assert.equal(second.certificates[nameOf(7)]?.pems[0]?.sha256, digestOf('7-2'));
  assert.equal(second.certificates[nameOf(7)]?.previous?.pems[0]?.sha256, digestOf('7-1'));
  assertReceipts(second.certificates);
  const { [nameOf(7)]: _, ...others } = first.certificates;
  const { [nameOf(7)]: __, ...same } = second.certificates;
  assert.deepEqual(same, others);
});

test('changes of a pass that come together share a commit', async () => {
  const bucket = await largeFleet();

  await publishAll(openPass(bucket).publisher, entries(0, 20), 2);

  const roots = putsIn(bucket).filter((key) => key === layout.root(fleet));
  assert.ok(roots.length <= 2, `${roots.length} roots`);
});

test('the next pass reads the summary and the shards that it lacks, and knows what the root names', async () => {
  const bucket = await largeFleet();
  await publishAll(openPass(bucket).publisher, [1, 2], 2);
  bucket.calls.length = 0;
  const { memory } = openPass(bucket);

  const { manifest } = await readRoot(bucket, fleet, testSigning, memory);

  const read = bucket.calls.map((call) => call.replace(/[0-9a-f]{64}/, '…'));
  const shard = `get published/${fleet}/shard/….json`;
  assert.deepEqual(read.filter((call) => call === shard).length, 2);
  assert.ok(read.length <= 5, read.join('\n'));
  const host = await readAsHost(bucket);
  const bare = (certificates: Record<string, ManifestEntry>) =>
    Object.fromEntries(
      Object.entries(certificates).map(([name, entry]) => {
        return [name, { ...entry, pems: entry.pems.map(({ receipt: _, ...pem }) => pem) }];
      }),
    );
  assert.deepEqual(bare(manifest?.certificates ?? {}), bare(host.certificates));
});

test('without the summary the pass reads all shards, and writes it again', async () => {
  const bucket = await largeFleet();
  await bucket.put(layout.summary(fleet), 'lost');
  const { memory, shards } = openPass(bucket);
  bucket.calls.length = 0;

  const { manifest } = await readRoot(bucket, fleet, testSigning, memory);
  await shards.saveSummary();

  assert.equal(Object.keys(manifest?.certificates ?? {}).length, 300);
  assert.deepEqual(putsIn(bucket), [layout.summary(fleet)]);
  await readRoot(bucket, fleet, testSigning, openPass(bucket).memory);
  assert.ok(bucket.calls.length <= 4, bucket.calls.join('\n'));
});

test('a fresh staple and a new line in crt-lists keep the receipt, which the summary does not have', async () => {
  const bucket = await largeFleet();
  const before = (await readAsHost(bucket)).certificates[nameOf(3)];
  const haproxy = { crtListOptions: ['alpn h2'], sniFilters: [] };

  await openPass(bucket).publisher.publish(nameOf(3), { ...entryOf(3), haproxy }, [pemOf(3)]);

  const after = (await readAsHost(bucket)).certificates[nameOf(3)];
  assert.deepEqual(after, { ...before, haproxy });
});

test('a fleet that has become small is one document again, with all receipts', async () => {
  const bucket = await largeFleet(260);
  const names = entries(100, 260).map(nameOf);

  const { withdrawn } = await openPass(bucket).publisher.withdraw(names, { reason: 'withdrawn', yes: true });

  assert.equal(withdrawn.length, 160);
  assert.equal((await readAsHost(bucket)).isSharded, true, 'tombstones take their place in a root, too');
  const later = after(noon, 400 * DAY_MS);
  const kept = new Set(entries(0, 100).map(nameOf));
  for (let pass = 1; pass <= 2; pass += 1) {
    await testPublisher(bucket, fleet, { now: () => later }).maintain(kept);
  }
  const root = await bucket.get(layout.root(fleet));
  const { manifest } = parseRoot(fleet, root?.body ?? Buffer.alloc(0));
  assert.equal(Object.keys(manifest.certificates).length, 100);
  assert.deepEqual(manifest.tombstones, {});
  assert.deepEqual(manifest.requires, []);
  assertReceipts(manifest.certificates);
});

test('a tombstone lies beside its certificate, and the certificate is gone', async () => {
  const bucket = await largeFleet();

  await openPass(bucket).publisher.withdraw([nameOf(5)], { reason: 'withdrawn' });

  const { certificates, tombstones, isSharded } = await readAsHost(bucket);
  assert.equal(isSharded, true);
  assert.equal(certificates[nameOf(5)], undefined);
  assert.deepEqual(
    tombstones[nameOf(5)]?.pems.map(({ sha256 }) => sha256),
    [digestOf('5-1')],
  );
});

test('two passes at once lose nothing', async () => {
  const bucket = await largeFleet();

  await Promise.all([
    publishAll(openPass(bucket).publisher, entries(0, 10), 2),
    publishAll(openPass(bucket).publisher, entries(10, 20), 3),
  ]);

  const { certificates } = await readAsHost(bucket);
  for (const index of entries(0, 20)) {
    const version = index < 10 ? 2 : 3;
    assert.equal(certificates[nameOf(index)]?.pems[0]?.sha256, digestOf(`${index}-${version}`));
  }
  assertReceipts(certificates);
});

test('signing anew writes the root alone', async () => {
  const bucket = await largeFleet();
  const configured = new Set(entries(0, 300).map(nameOf));

  await openPass(bucket).publisher.maintain(configured);

  assert.deepEqual(putsIn(bucket).filter(isOfManifest), [layout.root(fleet)]);
  assert.equal(Object.keys((await readAsHost(bucket)).certificates).length, 300);
});

async function someShard(bucket: MemoryBucket): Promise<string> {
  const [key = ''] = await bucket.list(`${layout.published(fleet)}shard/`);
  return key;
}

const SPOILT: [what: string, spoil: (bucket: MemoryBucket, key: string) => Promise<unknown>][] = [
  ['missing', (bucket, key) => bucket.delete(key)],
  ['too large', async (bucket, key) => bucket.plant(key, 'x'.repeat(2 * 1024 * 1024))],
  ['altered', (bucket, key) => bucket.put(key, '{}')],
];
for (const [what, spoil] of SPOILT) {
  test(`a shard is ${what}: the summary still has it, and the commit after hosts have said so writes it again`, async () => {
    const bucket = await largeFleet();
    const before = await readAsHost(bucket);
    await spoil(bucket, await someShard(bucket));
    await assert.rejects(readAsHost(bucket), { code: 'ERR_MANIFEST_SHARD' });
    const pass = openPass(bucket);
    const { manifest } = await readRoot(bucket, fleet, testSigning, pass.memory);
    assert.equal(Object.keys(manifest?.certificates ?? {}).length, 300);
    assert.equal(pass.shards.isDamaged, false);

    await pass.shards.check();
    assert.equal(pass.shards.isDamaged, true);
    await pass.publisher.maintain(new Set());

    assert.equal(pass.shards.isDamaged, false);
    const after = await readAsHost(bucket);
    assert.deepEqual(Object.keys(after.certificates).sort(), Object.keys(before.certificates).sort());
    await openPass(bucket).publisher.maintain(new Set());
    assertReceipts((await readAsHost(bucket)).certificates);
  });

  test(`a shard is ${what}, and a certificate in it is renewed: the others in it stay`, async () => {
    const bucket = await largeFleet();
    const key = await someShard(bucket);
    const names = Object.keys(JSON.parse(bucket.text(key) ?? '').certificates);
    const index = Number(names[0]?.slice(1, -'.test'.length));
    await spoil(bucket, key);

    await publishAll(openPass(bucket).publisher, [index], 2);

    const { certificates } = await readAsHost(bucket);
    assert.equal(Object.keys(certificates).length, 300);
    assert.equal(certificates[nameOf(index)]?.pems[0]?.sha256, digestOf(`${index}-2`));
  });

  test(`a shard is ${what}, and so is the summary: what only it said is missing, and nothing else fails`, async () => {
    const bucket = await largeFleet();
    await bucket.delete(layout.summary(fleet));
    await spoil(bucket, await someShard(bucket));
    const pass = openPass(bucket);

    const { manifest } = await readRoot(bucket, fleet, testSigning, pass.memory);
    const known = Object.keys(manifest?.certificates ?? {}).length;
    assert.ok(known < 300 && known > 270, `${known}`);
    assert.equal(pass.shards.isDamaged, true);
    await publishAll(pass.publisher, [1], 2);

    const { certificates } = await readAsHost(bucket);
    assert.ok(Object.keys(certificates).length >= known);
    assertReceipts(certificates);
  });
}
