import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inParallel } from '#common/in-parallel.ts';

const tick = () => new Promise<void>((resolve) => setImmediate(resolve));

test('who waits gives the place to another, and takes one again before those who have not begun', async () => {
  const story: string[] = [];
  let answer = () => {};
  const answered = new Promise<void>((resolve) => {
    answer = resolve;
  });

  await inParallel(
    ['slow', 'a', 'b'],
    1,
    async (name, place) => {
      story.push(`${name} begins`);
      if (name === 'slow') await place.whileWaiting(() => answered);
      if (name === 'a') answer();
      await tick();
      story.push(`${name} ends`);
    },
    (name) => name,
  );

  assert.deepEqual(story, ['slow begins', 'a begins', 'a ends', 'slow ends', 'b begins', 'b ends']);
});

test('waits beside each other give one place, which is taken again after the last of them', async () => {
  const most = { now: 0, seen: 0 };
  const work = async (ms: number, place: Parameters<Parameters<typeof inParallel>[2]>[1]) => {
    await Promise.all([1, 2, 3].map((more) => place.whileWaiting(() => waited(ms + more))));
    most.now += 1;
    most.seen = Math.max(most.seen, most.now);
    await tick();
    most.now -= 1;
  };

  await inParallel([1, 1, 1, 1, 1, 1], 2, work, () => String(Math.random()));

  assert.ok(most.seen <= 2, `${most.seen} at once`);
});

test('five hundred give up their places at most: the others keep theirs, and all come to an end', async () => {
  let answer = () => {};
  const answered = new Promise<void>((resolve) => {
    answer = resolve;
  });
  const begun: number[] = [];
  const items = Array.from({ length: 1_000 }, (_, index) => index);
  const work = async (item: number, place: Parameters<Parameters<typeof inParallel>[2]>[1]) => {
    begun.push(item);
    await place.whileWaiting(() => answered);
    return item;
  };

  const all = inParallel(items, 3, work, String);
  for (let round = 0; round < 600; round += 1) await tick();

  assert.equal(begun.length, 503);
  answer();
  assert.deepEqual(await all, items);
});

const waited = (rounds: number) =>
  Array.from({ length: rounds }).reduce<Promise<void>>((before) => before.then(tick), Promise.resolve());
