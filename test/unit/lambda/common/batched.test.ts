import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Batches } from '#common/batched.ts';

test('the first item runs at once; what comes meanwhile shares the next call and its result', async () => {
  const seen: string[][] = [];
  const batches = new Batches(async (batch: readonly string[]) => {
    seen.push([...batch]);
    await new Promise((resolve) => setImmediate(resolve));
    return seen.length;
  });

  const results = await Promise.all(['a', 'b', 'c'].map((item) => batches.add(item)));

  assert.deepEqual(seen, [['a'], ['b', 'c']]);
  assert.deepEqual(results, [1, 2, 2]);
});

test('a failure rejects the whole batch, and the next batch runs', async () => {
  let isDown = true;
  const batches = new Batches(async (batch: readonly string[]) => {
    await new Promise((resolve) => setImmediate(resolve));
    if (isDown && batch.length > 1) throw new RangeError('as thrown');
    return batch.join();
  });

  const ended = await Promise.allSettled(['a', 'b', 'c'].map((item) => batches.add(item)));
  isDown = false;

  assert.deepEqual(
    ended.map(({ status }) => status),
    ['fulfilled', 'rejected', 'rejected'],
  );
  assert.equal(await batches.add('d'), 'd');
});

test('work that throws before its first await fails its batch too', async () => {
  const batches = new Batches((_: readonly string[]): Promise<void> => {
    throw new RangeError('as thrown');
  });

  await assert.rejects(batches.add('a'), RangeError);
  await assert.rejects(batches.add('b'), RangeError);
});
