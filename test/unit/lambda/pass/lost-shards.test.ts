/** A shard that is gone or altered: a pass notices it by what the bucket lists, and writes it again, before any host has to read it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MINUTE_MS } from '#common/time.ts';
import { BucketError } from '#contract/errors.ts';
import { layout } from '#contract/layout.ts';
import { parseRootParts } from '#contract/root.ts';
import { certificatesIn } from '#contract/shard/content.ts';
import { readShards } from '#contract/shard/read.ts';
import { readUnlessSpoilt } from '#storage/cached-document.ts';
import { runPass } from '../../../../lambda/pass/run-pass.ts';
import { IssuerMemory } from '../../../../lambda/publication/ended.ts';
import { doubtfulShards } from '../../../../lambda/publication/shards/doubtful-shards.ts';
import { type MemoryBucket, memoryBucket } from '../../../support/bucket/memory-bucket.ts';
import { after, fakeClock, noon } from '../../../support/clock.ts';
import { fleet, makeEntry, makePemRef, named } from '../../../support/issuer/documents.ts';
import { passOver } from '../../../support/issuer/pass.ts';
import { testPublisher } from '../../../support/issuer/signing.ts';
import { issuePem } from '../../../support/issuer/version-1.ts';

const digestOf = (index: number) => index.toString(16).padStart(64, '0');
const nameOf = (index: number) => named(`c${index}.test`);
const names = Array.from({ length: 251 }, (_, index) => nameOf(index));

/** Of 251 certificates, one is real; a pass over that one costs no order. */
async function stage() {
  let now = noon;
  const bucket = memoryBucket(() => now);
  const memory = new IssuerMemory(bucket);
  const publisher = testPublisher(bucket, fleet, { memory });
  const real = await issuePem(bucket, names[0] ?? '', { at: noon });
  const [pem = makePemRef()] = real.entry.pems;
  await Promise.all(
    names.map((name, index) =>
      index === 0
        ? publisher.publish(name, real.entry, [{ sha256: pem.sha256, text: real.text }])
        : publisher.publish(name, made(index), [{ sha256: digestOf(index), text: 'x' }]),
    ),
  );
  await memory.shardsOf(fleet).saveSummary();
  now = after(noon, MINUTE_MS);
  const shards = await bucket.list(`${layout.published(fleet)}shard/`);
  const shardOf = (name: string) =>
    shards.find((key) => bucket.text(key)?.includes(`"${name}":`)) ?? assert.fail(name);
  const { passFor, events } = passOver(bucket, { timing: fakeClock(noon) });
  const pass = () => runPass(passFor([{ identifiers: [names[0]] }]));
  bucket.calls.length = 0;
  return { bucket, shards, shardOf, pass, events };
}

function made(index: number) {
  const pems = [makePemRef({ sha256: digestOf(index), size: 1 })];
  return makeEntry({ identifiers: [nameOf(index)], pems });
}

/** As a host that has nothing of it yet. */
async function readAsHost(bucket: MemoryBucket) {
  const root = await bucket.get(layout.root(fleet));
  const { shards } = parseRootParts(fleet, root?.body ?? Buffer.alloc(0));
  const fetch = async (key: string) => (await readUnlessSpoilt(bucket, key))?.body;
  const { leaves } = await readShards(fleet, shards ?? [], { cached: () => undefined, fetch });
  return { certificates: certificatesIn(leaves) };
}

const SPOILT: [what: string, spoil: (bucket: MemoryBucket, key: string) => Promise<unknown>][] = [
  ['missing', (bucket, key) => bucket.delete(key)],
  ['cut short', (bucket, key) => bucket.put(key, (bucket.text(key) ?? '').slice(0, -10))],
  [
    'altered',
    (bucket, key) => bucket.put(key, (bucket.text(key) ?? '').replace('"version":1', '"version":2')),
  ],
  ['too large', (bucket, key) => bucket.put(key, ' '.repeat(1_000_000))],
];
for (const [what, spoil] of SPOILT) {
  test(`a shard is ${what}: the next pass notices and writes it again, and the summary has its content`, async () => {
    const { bucket, shards, pass, events } = await stage();
    const [key = ''] = shards;
    const before = await readAsHost(bucket);
    await spoil(bucket, key);
    await assert.rejects(readAsHost(bucket), { code: 'ERR_MANIFEST_SHARD' });

    await pass();

    assert.equal(events.fieldsOf('shard.lost')[0]?.['count'], 1);
    assert.deepEqual(events.fieldsOf('manifest.signed'), [{ fleet, reason: 'damaged' }]);
    const { certificates } = await readAsHost(bucket);
    assert.deepEqual(Object.keys(certificates).sort(), Object.keys(before.certificates).sort());
  });
}

test('all shards are gone: one page of the listing says so', async () => {
  const { bucket, shards, pass } = await stage();
  for (const key of shards) await bucket.delete(key);

  await pass();

  assert.equal(Object.keys((await readAsHost(bucket)).certificates).length, names.length);
});

test('whole shards cost one request, and no reading', async () => {
  const { bucket, pass, events } = await stage();

  await pass();

  assert.equal(events.fieldsOf('shard.lost').length, 0);
  // The other one is for PEMs and staples.
  assert.equal(bucket.calls.filter((call) => call === `list ${layout.published(fleet)}`).length, 2);
  assert.deepEqual(
    bucket.calls.filter((call) => call.includes('/shard/')),
    [],
  );
});

test('a shard and the summary are gone: what is configured comes back from the history, without an order', async () => {
  const { bucket, shardOf, pass, events } = await stage();
  await bucket.delete(layout.summary(fleet));
  await bucket.delete(shardOf(names[0] ?? ''));

  const { outcomes } = await pass();

  assert.deepEqual(
    outcomes.map(({ result, reason }) => [result, reason]),
    [['kept', 'fresh']],
  );
  assert.equal(events.fieldsOf('manifest.restored')[0]?.['reason'], 'damaged');
  assert.ok((await readAsHost(bucket)).certificates[names[0] ?? nameOf(0)]);
});

test('shards that cannot be listed stop nothing', async () => {
  const { bucket } = await stage();
  const denied = new BucketError('ERR_BUCKET_DENIED', 'published/', 'as planted');
  const { run, events } = passOver(bucket, {
    bucket: { ...bucket, listAfter: () => Promise.reject(denied) },
  });

  const [outcome] = await run([{ identifiers: [names[0]] }]);

  assert.equal(outcome?.result, 'kept');
  assert.deepEqual(events.fieldsOf('shard.unchecked')[0]?.['code'], 'ERR_BUCKET_DENIED');
});

test('beside many shards of earlier roots, a pass asks for three pages, and all passes of some days see all', async () => {
  const bucket = memoryBucket();
  bucket.plant(layout.root(fleet), 'a root');
  const spread = (index: number) =>
    Math.floor((index / 20_000) * 2 ** 32)
      .toString(16)
      .padStart(8, '0');
  const digests = Array.from({ length: 20_000 }, (_, index) => spread(index).padEnd(64, '0'));
  for (const sha256 of digests) bucket.plant(layout.shard(fleet, sha256), 'x');
  const named = digests.filter((_, index) => index % 5 === 0);
  const gone = [named[3], named[1_777], named[3_999]].map((sha256) => sha256 ?? '');
  for (const sha256 of gone) await bucket.delete(layout.shard(fleet, sha256));
  const lost = new Set<string>();
  bucket.calls.length = 0;

  for (let pass = 0; pass < 48; pass += 1) {
    const now = after(noon, pass * 30 * MINUTE_MS);
    for (const sha256 of await doubtfulShards(bucket, fleet, named, now)) lost.add(sha256);
  }

  assert.equal(bucket.calls.length, 48 * 3);
  assert.deepEqual([...lost].sort(), gone.sort());
});
