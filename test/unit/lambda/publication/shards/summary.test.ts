/** One object in place of thousands of shards. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { layout } from '#contract/layout.ts';
import type { LeafShard, Shard } from '#contract/shard/node.ts';
import { NO_SHARDS } from '#contract/shard/node.ts';
import { readSummary, saveSummary, summaryOf } from '../../../../../lambda/publication/shards/summary.ts';
import { memoryBucket } from '../../../../support/bucket/memory-bucket.ts';
import { noon } from '../../../../support/clock.ts';
import { fleet, makeEntry, makePemRef, named } from '../../../../support/issuer/documents.ts';

const digestOf = (index: number) => index.toString(16).padStart(64, '0');
const ocsp = { sha256: digestOf(9), thisUpdate: noon.toISOString(), nextUpdate: noon.toISOString() };
const previous = {
  publishedAt: noon.toISOString(),
  pems: [makePemRef({ sha256: digestOf(8), ocsp, receipt: 'a.b.c' })],
};
const imported = { origin: 'imported' as const, importedAt: noon.toISOString() };
const leaf: LeafShard = {
  certificates: {
    [named('a.test')]: makeEntry({ previous, pems: [makePemRef({ receipt: 'a.b.c', ocsp })] }),
    [named('b.test')]: makeEntry({ issued: imported }),
  },
  tombstones: {
    [named('old.test')]: {
      reason: 'withdrawn',
      at: noon.toISOString(),
      pems: [{ sha256: digestOf(7), notAfter: noon.toISOString() }],
    },
  },
};
const shards: ReadonlyMap<string, Shard> = new Map<string, Shard>([
  [digestOf(1), { shards: NO_SHARDS.map((none, slot) => (slot === 3 ? digestOf(2) : none)) }],
  [digestOf(2), leaf],
]);

test('what was written is read: all that decisions need, by digest of the shard', async () => {
  const bucket = memoryBucket();

  assert.equal(await saveSummary(bucket, fleet, { shards, missing: 2_000 }), true);
  const read = await readSummary(bucket, fleet);

  assert.deepEqual(read.get(digestOf(1)), shards.get(digestOf(1)));
  assert.deepEqual(read.get(digestOf(2)), {
    certificates: {
      'a.test': makeEntry({
        previous: { ...previous, pems: [makePemRef({ sha256: digestOf(8), ocsp, receipt: '' })] },
        pems: [makePemRef({ ocsp, receipt: '' })],
      }),
      'b.test': makeEntry({ issued: imported }),
    },
    tombstones: leaf.tombstones,
  });
});

test('the summary of a summary is the same', async () => {
  const bucket = memoryBucket();
  await saveSummary(bucket, fleet, { shards, missing: 10 });
  const text = bucket.text(layout.summary(fleet));

  await saveSummary(bucket, fleet, { shards: await readSummary(bucket, fleet), missing: 10 });

  assert.equal(bucket.text(layout.summary(fleet)), text);
  assert.deepEqual(summaryOf(summaryOf(leaf)), summaryOf(leaf));
});

test('a few shards that it does not have are no reason to write it again', async () => {
  const bucket = memoryBucket();

  assert.equal(await saveSummary(bucket, fleet, { shards, missing: 3 }), false);

  assert.deepEqual(bucket.calls, []);
});

test('a summary that is lost, altered, cut, or of another version is none', async () => {
  const bucket = memoryBucket();
  await saveSummary(bucket, fleet, { shards, missing: 10 });
  const text = bucket.text(layout.summary(fleet)) ?? '';

  for (const spoilt of [
    '',
    '\n',
    '{}',
    text.replace('ec256', 'ec384'),
    text.slice(0, -20),
    text.replace('"by":"0', '"by":"9'),
    text.slice(text.indexOf('\n') + 1),
  ]) {
    await bucket.put(layout.summary(fleet), spoilt);
    assert.equal((await readSummary(bucket, fleet)).size, 0, spoilt.slice(0, 80));
  }
  await bucket.delete(layout.summary(fleet));
  assert.equal((await readSummary(bucket, fleet)).size, 0);
});
