/** The last ten versions of a certificate. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { layout } from '#contract/layout.ts';
import { addToHistory, readHistory } from '../../../../lambda/publication/history/history.ts';
import { memoryBucket } from '../../../support/bucket/memory-bucket.ts';
import { noon } from '../../../support/clock.ts';
import { fleet, makeEntry, makePemRef, named } from '../../../support/issuer/documents.ts';

const name = named('a.test');
const entryOf = (version: number, changes: object = {}) =>
  makeEntry({
    sequence: version,
    pems: [makePemRef({ sha256: `${version}`.padStart(64, '0') })],
    ...changes,
  });
const sequencesIn = async (bucket: ReturnType<typeof memoryBucket>) =>
  (await readHistory(bucket, fleet, name)).map(({ sequence }) => sequence);

test('ten versions, the newest first, each with what a tombstone needs', async () => {
  const bucket = memoryBucket();

  for (let version = 1; version <= 12; version += 1) {
    await addToHistory(bucket, fleet, [name, entryOf(version)]);
  }

  assert.deepEqual(await sequencesIn(bucket), [12, 11, 10, 9, 8, 7, 6, 5, 4, 3]);
  const [newest] = await readHistory(bucket, fleet, name);
  const { sha256, keyType, serial, notBefore, notAfter } = makePemRef({ sha256: '12'.padStart(64, '0') });
  assert.deepEqual(newest?.pems, [{ sha256, keyType, serial, notBefore, notAfter }]);
});

test('versions that come back again and again push out none that is really older, and are bounded', async () => {
  const bucket = memoryBucket();
  for (let version = 1; version <= 9; version += 1) {
    await addToHistory(bucket, fleet, [name, entryOf(version)]);
  }

  for (let times = 1; times <= 40; times += 1) {
    const { pems } = entryOf(times % 2 === 0 ? 9 : 10);
    await addToHistory(bucket, fleet, [name, entryOf(100 + times, { pems })]);
  }

  const versions = await readHistory(bucket, fleet, name);
  const digests = new Set(versions.map(({ pems }) => Number(pems[0]?.sha256)));
  assert.deepEqual(
    [...digests].sort((a, b) => a - b),
    [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
  );
  assert.equal(versions[0]?.sequence, 140);
  assert.ok(versions.length <= 30, `${versions.length}`);
});

test('a fresh staple is no version: nothing is written', async () => {
  const bucket = memoryBucket();
  await addToHistory(bucket, fleet, [name, entryOf(1)]);
  bucket.calls.length = 0;
  const ocsp = {
    sha256: 'b'.repeat(64),
    thisUpdate: noon.toISOString(),
    nextUpdate: noon.toISOString(),
  };
  const { pems } = entryOf(1);

  await addToHistory(bucket, fleet, [name, entryOf(1, { pems: pems.map((pem) => ({ ...pem, ocsp })) })]);

  assert.deepEqual(bucket.calls, [`get ${layout.history(fleet, name)}`]);
});

test('the first entry brings the publication before it along', async () => {
  const bucket = memoryBucket();
  const { publishedAt, pems } = entryOf(1);

  await addToHistory(bucket, fleet, [name, entryOf(2, { previous: { publishedAt, pems } })]);

  assert.deepEqual(
    (await readHistory(bucket, fleet, name)).map((version) => version.pems[0]?.sha256),
    ['2'.padStart(64, '0'), '1'.padStart(64, '0')],
  );
});

test('a history that cannot be read starts anew', async () => {
  for (const text of ['', 'null', '{"version":2}', '{"version":1,"versions":[{}]}']) {
    const bucket = memoryBucket();
    await bucket.put(layout.history(fleet, name), text);
    assert.deepEqual(await readHistory(bucket, fleet, name), []);

    await addToHistory(bucket, fleet, [name, entryOf(1)]);

    assert.deepEqual(await sequencesIn(bucket), [1]);
  }
});
