/** What is deleted, and what never is. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DAY_MS } from '#common/time.ts';
import { fleetName, layout } from '#contract/layout.ts';
import { emptyManifest, type Manifest } from '#contract/manifest.ts';
import { keysNamedBy, sweepGarbage } from '../../../../lambda/publication/garbage.ts';
import { memoryBucket } from '../../../support/bucket/memory-bucket.ts';
import { after, noon } from '../../../support/clock.ts';
import { fleet, makeEntry, makePemRef, named } from '../../../support/issuer/documents.ts';
import { certificatesOf } from '../../../support/manifest.ts';

const digestOf = (index: number) => index.toString(16).padStart(64, '0');
const name = named('a.test');
const pemKey = (index: number) => layout.pem(fleet, name, digestOf(index));
const ocspKey = (pem: number, index: number) => layout.ocsp(fleet, name, digestOf(pem), digestOf(index));
const shardKey = (index: number) => layout.shard(fleet, digestOf(index));

function manifestOf(...digests: number[]): Manifest {
  const pems = digests.map((index) => makePemRef({ sha256: digestOf(index) }));
  const certificates = certificatesOf(pems.length > 0 ? { 'a.test': makeEntry({ pems }) } : {});
  return { ...emptyManifest(fleet, noon), certificates };
}

async function bucketWith(keys: readonly string[]) {
  const bucket = memoryBucket();
  for (const key of keys) await bucket.put(key, 'x');
  const objects = async () =>
    (await bucket.list('published/')).map((key) => keys.indexOf(key)).sort((a, b) => a - b);
  const sweep = (day: number, readNamed: () => Promise<ReadonlySet<string> | undefined>) =>
    sweepGarbage({ bucket, now: after(noon, day * DAY_MS), keptDays: 30 }, fleet, readNamed);
  const sweepBy = (day: number, ...manifests: Manifest[]) =>
    sweep(day, async () => keysNamedBy(fleet, manifests));
  return { bucket, objects, sweep, sweepBy };
}

test('what is unnamed is kept for thirty days, and then deleted: PEM, staple and shard', async () => {
  const keys = [pemKey(1), ocspKey(1, 2), shardKey(3), pemKey(4)];
  const { objects, sweepBy } = await bucketWith(keys);

  assert.deepEqual(await sweepBy(0, manifestOf(4)), []);
  assert.deepEqual(await sweepBy(30, manifestOf(4)), []);
  assert.deepEqual((await sweepBy(31, manifestOf(4))).sort(), keys.slice(0, 3).sort());

  assert.deepEqual(await objects(), [3]);
});

test('what is in force is never deleted, however old: with its staple, by the other version, as a shard; the one before is', async () => {
  const keys = [pemKey(6), pemKey(2), ocspKey(2, 3), pemKey(4), shardKey(5)];
  const { objects, sweep } = await bucketWith(keys);
  const ocsp = {
    sha256: digestOf(3),
    thisUpdate: noon.toISOString(),
    nextUpdate: after(noon, 1).toISOString(),
  };
  const previous = { publishedAt: noon.toISOString(), pems: [makePemRef({ sha256: digestOf(6) })] };
  const entry = makeEntry({ pems: [makePemRef({ sha256: digestOf(2), ocsp })], previous });
  const version2 = { ...manifestOf(), certificates: certificatesOf({ 'a.test': entry }) };
  const readNamed = async () => keysNamedBy(fleet, [version2, manifestOf(4)], [digestOf(5)]);

  const deleted = [];
  for (const day of [0, 40, 400, 4_000]) deleted.push(...(await sweep(day, readNamed)));

  assert.deepEqual(deleted, [pemKey(6)]);
  assert.deepEqual(await objects(), [1, 2, 3, 4]);
});

test('what is named again in between starts anew', async () => {
  const { sweepBy } = await bucketWith([pemKey(1)]);

  await sweepBy(0, manifestOf());
  await sweepBy(29, manifestOf(1));

  assert.deepEqual(await sweepBy(31, manifestOf()), []);
  assert.deepEqual(await sweepBy(61, manifestOf()), []);
  assert.deepEqual(await sweepBy(62, manifestOf()), [pemKey(1)]);
});

test('a manifest that cannot be read names everything', async () => {
  const { objects, sweep, sweepBy } = await bucketWith([pemKey(1)]);
  await sweepBy(0, manifestOf());

  assert.deepEqual(await sweep(40, async () => undefined), []);
  let reads = 0;
  const lost = async () => (reads++ === 0 ? new Set<string>() : undefined);
  assert.deepEqual(await sweep(40, lost), []);

  assert.deepEqual(await objects(), [0]);
});

test('what another pass names just then stays', async () => {
  const { objects, sweep, sweepBy } = await bucketWith([pemKey(1)]);
  await sweepBy(0, manifestOf());
  let reads = 0;

  const deleted = await sweep(40, async () =>
    keysNamedBy(fleet, [reads++ === 0 ? manifestOf() : manifestOf(1)]),
  );

  assert.deepEqual([deleted, await objects()], [[], [0]]);
});

test("a stranger's objects, the manifests and other fleets are left alone", async () => {
  const keys = [
    layout.root(fleet),
    layout.manifest(fleet),
    layout.keys(fleet),
    `published/${fleet}/pem/a.test/notes.txt`,
    `published/${fleet}/pem/${digestOf(1)}.pem`,
    `published/${fleet}/shard/${digestOf(1)}.json.bak`,
    layout.pem(fleetName.parse('default-too'), name, digestOf(1)),
    layout.pem(fleetName.parse('other'), name, digestOf(1)),
  ];
  const { objects, sweepBy } = await bucketWith(keys);

  for (const day of [0, 40, 80]) assert.deepEqual(await sweepBy(day, manifestOf()), []);

  assert.equal((await objects()).length, keys.length);
});

test('a record that is lost or broken only starts the thirty days anew', async () => {
  for (const text of [undefined, '', '{"version":1,"unnamed":{"2020-01-01":[7]}}', '{"version":9}']) {
    const { bucket, sweepBy } = await bucketWith([pemKey(1)]);
    await sweepBy(0, manifestOf());
    if (text === undefined) await bucket.delete(layout.garbage(fleet));
    else await bucket.put(layout.garbage(fleet), text);

    assert.deepEqual(await sweepBy(40, manifestOf()), []);
    assert.deepEqual(await sweepBy(71, manifestOf()), [pemKey(1)]);
  }
});

test('a clock that was set back makes nothing older', async () => {
  const { sweepBy } = await bucketWith([pemKey(1)]);
  await sweepBy(400, manifestOf());
  await sweepBy(0, manifestOf());

  assert.deepEqual(await sweepBy(30, manifestOf()), []);
  assert.deepEqual(await sweepBy(31, manifestOf()), [pemKey(1)]);
});

test('a sweep makes at most 20 listings, and the next one goes on behind it', async () => {
  const keys = Array.from({ length: 20_500 }, (_, index) => shardKey(index));
  const { bucket, sweepBy } = await bucketWith(keys);
  const listings = () => bucket.calls.splice(0).filter((call) => call.startsWith('list')).length;
  listings();

  await sweepBy(0, manifestOf());
  assert.equal(listings(), 20);
  await sweepBy(1, manifestOf());
  assert.equal(listings(), 1);
  const deleted = await sweepBy(40, manifestOf());

  assert.equal(deleted.length, 1_000);
  assert.deepEqual(deleted, keys.slice(0, 1_000));
});

test('keyRetention is kept to the day, and says nothing of shards, which hold no key', async () => {
  for (const [keptDays, first] of [
    [1, 2],
    [7, 8],
    [200, 201],
  ] as const) {
    const { bucket, objects } = await bucketWith([pemKey(1), shardKey(2)]);
    const sweepOn = (day: number) =>
      sweepGarbage({ bucket, now: after(noon, day * DAY_MS), keptDays }, fleet, async () => new Set());
    await sweepOn(0);

    await sweepOn(first - 1);
    assert.ok((await objects()).includes(0), `${keptDays}: before`);
    assert.ok((await sweepOn(first)).includes(pemKey(1)), `${keptDays}: after`);
    assert.equal((await objects()).includes(1), first < 31, `${keptDays}: shard`);
  }
});

test('who notes a key that is to go, and fails, has it still', async () => {
  const { bucket, objects, sweepBy } = await bucketWith([pemKey(1)]);
  await sweepBy(0, manifestOf());
  const onDelete = () => Promise.reject(new Error('the store is away'));
  const sweep = sweepGarbage(
    { bucket, now: after(noon, 40 * DAY_MS), keptDays: 30, onDelete },
    fleet,
    async () => new Set(),
  );

  await assert.rejects(sweep, /away/);

  assert.deepEqual(await objects(), [0]);
});
