import assert from 'node:assert/strict';
import { test } from 'node:test';
import { atMost, inParallel } from '#common/in-parallel.ts';

const tick = () => new Promise<void>((resolve) => setImmediate(resolve));

/** Work that counts itself. */
function counted() {
  const counts = { now: 0, most: 0 };
  const work = async () => {
    counts.now += 1;
    counts.most = Math.max(counts.most, counts.now);
    await tick();
    counts.now -= 1;
  };
  return { counts, work };
}

test('no more than the limit runs at once, also after a failure', async () => {
  const { counts, work } = counted();
  const run = atMost(3);
  const failing = () => Promise.reject(new RangeError('as thrown'));

  const ended = await Promise.allSettled([run(failing), ...Array.from({ length: 20 }, () => run(work))]);

  assert.equal(counts.most, 3);
  assert.deepEqual(ended.filter(({ status }) => status === 'rejected').length, 1);
});

test('items of a group run one after another, and the results keep the order of the items', async () => {
  const running = new Set<string>();
  const items = ['a1', 'b1', 'a2', 'c1', 'a3', 'b2'];
  const groupOf = (item: string) => item.slice(0, 1);

  const results = await inParallel(
    items,
    2,
    async (item) => {
      assert.ok(!running.has(groupOf(item)), `${item} runs beside its group`);
      running.add(groupOf(item));
      assert.ok(running.size <= 2);
      await tick();
      running.delete(groupOf(item));
      return item.toUpperCase();
    },
    groupOf,
  );

  assert.deepEqual(results, ['A1', 'B1', 'A2', 'C1', 'A3', 'B2']);
});

test('a failure of work is the failure of all', async () => {
  const failing = async (item: number) => {
    if (item === 2) throw new RangeError('as thrown');
    return item;
  };

  await assert.rejects(inParallel([1, 2, 3], 2, failing, String), RangeError);
});

test('where an item fails, no further group takes its place', async () => {
  const begun: number[] = [];
  const work = async (item: number) => {
    begun.push(item);
    await tick();
    if (item === 1) throw new RangeError('as thrown');
  };

  await assert.rejects(inParallel([1, 2, 3], 1, work, String), RangeError);
  await tick();

  assert.deepEqual(begun, [1]);
});
