import assert from 'node:assert/strict';
import { test } from 'node:test';
import { batched } from '#common/batched.ts';

test('the first item runs at once; what comes meanwhile shares the next call and its result', async () => {
  const batches: string[][] = [];
  const add = batched(async (batch: readonly string[]) => {
    batches.push([...batch]);
    await new Promise((resolve) => setImmediate(resolve));
    return batches.length;
  });

  const results = await Promise.all(['a', 'b', 'c'].map(add));

  assert.deepEqual(batches, [['a'], ['b', 'c']]);
  assert.deepEqual(results, [1, 2, 2]);
});

test('a failure rejects the whole batch, and the next batch runs', async () => {
  let isDown = true;
  const add = batched(async (batch: readonly string[]) => {
    await new Promise((resolve) => setImmediate(resolve));
    if (isDown && batch.length > 1) throw new RangeError('as thrown');
    return batch.join();
  });

  const ended = await Promise.allSettled(['a', 'b', 'c'].map(add));
  isDown = false;

  assert.deepEqual(
    ended.map(({ status }) => status),
    ['fulfilled', 'rejected', 'rejected'],
  );
  assert.equal(await add('d'), 'd');
});

test('work that throws before its first await fails its batch too', async () => {
  const add = batched((_: readonly string[]): Promise<void> => {
    throw new RangeError('as thrown');
  });

  await assert.rejects(add('a'), RangeError);
  await assert.rejects(add('b'), RangeError);
});
