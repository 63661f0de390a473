// What the responder reads: once for all who ask at the same time or a moment later, and never more than fits.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withAnswerMemory } from '../../../../lambda/challenge/answer-memory.ts';
import type { StoredObject } from '../../../../lambda/storage/bucket.ts';

const object = { body: Buffer.from('answer') } as StoredObject;

function stage(answer: (key: string) => Promise<StoredObject | undefined>) {
  const read: string[] = [];
  let ms = 0;
  const get = (key: string) => {
    read.push(key);
    return answer(key);
  };
  const memory = withAnswerMemory({ get }, () => ms);
  return { memory, read, pass: (by: number) => (ms += by) };
}

test('an answer is read once in ten seconds, also for those who ask at the same time', async () => {
  const { memory, read, pass } = stage(async () => object);

  assert.deepEqual(await Promise.all([memory.get('a'), memory.get('a'), memory.get('b')]), [
    object,
    object,
    object,
  ]);
  pass(9_999);
  await memory.get('a');
  assert.deepEqual(read, ['a', 'b']);
  pass(1);
  await memory.get('a');
  assert.deepEqual(read, ['a', 'b', 'a']);
});

test('that there is none, and a failure, last a second: then the answer is there', async () => {
  let answer: () => Promise<StoredObject | undefined> = async () => undefined;
  const { memory, read, pass } = stage(() => answer());

  assert.equal(await memory.get('a'), undefined);
  answer = () => Promise.reject(new Error('denied'));
  await assert.rejects(memory.get('b'));
  answer = async () => object;
  assert.equal(await memory.get('a'), undefined);
  await assert.rejects(memory.get('b'));
  assert.equal(read.length, 2);
  pass(1000);
  assert.deepEqual([await memory.get('a'), await memory.get('b'), read.length], [object, object, 4]);
});

test('a hundred thousand tokens of a stranger do not fill the memory', async () => {
  const { memory, read } = stage(async () => undefined);
  for (let index = 0; index < 100_000; index += 1) await memory.get(`${index}`);

  read.length = 0;
  for (let index = 0; index < 100_000; index += 1) await memory.get(`${index}`);
  assert.ok(read.length >= 99_000);
});
