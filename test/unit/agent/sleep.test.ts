// The sleep between polls: a wake is never lost, and never counts twice.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { interruptibleSleep } from '../../../agent/resident/sleep.ts';

const LONG_MS = 3_600_000;

test('a wake ends the sleep that is under way', async () => {
  const { sleep, wake } = interruptibleSleep(new AbortController().signal);
  const slept = sleep(LONG_MS);
  wake();
  await slept;
});

test('a wake while the agent works ends the next sleep at once, however many came, and no sleep after it', async () => {
  const stop = new AbortController();
  const { sleep, wake } = interruptibleSleep(stop.signal);
  wake();
  wake();
  await sleep(LONG_MS);
  const next = sleep(LONG_MS).then(() => 'awake');
  assert.equal(await Promise.race([next, sleepOf(20)]), 'asleep');
  stop.abort();
  await next;
});

test('the end ends each sleep, that of the moment and all later ones', async () => {
  const stop = new AbortController();
  const { sleep } = interruptibleSleep(stop.signal);
  const slept = sleep(LONG_MS);
  stop.abort();
  await slept;
  await sleep(LONG_MS);
  await sleep(LONG_MS);
});

const sleepOf = (ms: number) => new Promise<string>((resolve) => setTimeout(() => resolve('asleep'), ms));
