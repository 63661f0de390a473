// From one scheduled probe to the next: a name that was not asked for stands as it stood.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { layout } from '#contract/layout.ts';
import { nextWrongNames, readWrongNames, saveWrongNames } from '../../../../lambda/probe/wrong-names.ts';
import { memoryBucket } from '../../../support/bucket/memory-bucket.ts';
import { after, noon } from '../../../support/clock.ts';

const later = after(noon, 60_000);

test('wrong until an address shows what is published: no answer, no turn and no DNS change nothing', () => {
  const rows = [
    ...[
      { name: 'a', verdict: 'served' },
      { name: 'b', verdict: 'out-of-time' },
    ],
    ...[
      { name: 'c', verdict: 'dns-failed' },
      { name: 'e', verdict: 'stale' },
      { name: 'e', verdict: 'served' },
    ],
    { name: 'f', verdict: 'out-of-time' },
  ] as const;
  const before = { a: noon, b: noon, c: noon, d: noon, gone: noon };

  const next = nextWrongNames(before, rows, ['f', 'e', 'd', 'c', 'b', 'a', 'a'], later);

  assert.deepEqual(next, { b: noon, c: noon, d: noon, e: later });
  assert.deepEqual(nextWrongNames({ e: noon }, rows, ['e'], later), { e: noon }, 'since then');
});

test('the document is written where it differs, and a broken one is as good as none', async () => {
  const bucket = memoryBucket();
  let puts = 0;
  const { put } = bucket;
  bucket.put = async (...args) => {
    puts += 1;
    return put(...args);
  };

  assert.deepEqual(await readWrongNames(bucket), {});
  await saveWrongNames(bucket, {}, {});
  await saveWrongNames(bucket, { a: noon }, {});
  await saveWrongNames(bucket, { a: noon }, await readWrongNames(bucket));
  assert.deepEqual([puts, await readWrongNames(bucket)], [1, { a: noon }]);
  await put(layout.wrongNames, '{"version":1,"names":{"a":7}}');
  assert.deepEqual(await readWrongNames(bucket), {});
});
