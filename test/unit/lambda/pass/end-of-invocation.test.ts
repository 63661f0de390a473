/** The end of an invocation: receivers that hang cost neither the page nor what the function has to do after them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { endInvocation, RESERVE_MS, receiversMs } from '../../../../lambda/pass/end-of-invocation.ts';

const ROWS: [remaining: number, receivers: number][] = [
  [900_000, 880_000],
  [26_000, 6_000],
  [25_000, 5_000],
  [20_000, 5_000],
  [10_000, 5_000],
  [8_000, 3_000],
  [5_000, 0],
  [0, 0],
  [-1_000, 0],
];
for (const [remaining, expected] of ROWS) {
  test(`receivers have ${expected} ms of ${remaining}`, () => {
    assert.equal(receiversMs(remaining), expected);
    if (remaining >= RESERVE_MS + 5_000) assert.equal(remaining - expected, RESERVE_MS);
  });
}

test('the page is written before receivers have what is left, and without time for them nobody is asked', async () => {
  let remaining = 40_000;
  const steps: string[] = [];
  const last = {
    remainingMs: () => remaining,
    page: async () => {
      steps.push('page');
      remaining -= 10_000;
    },
    receivers: async (withinMs: number) => void steps.push(`receivers ${withinMs}`),
  };

  await endInvocation(last);
  remaining = 12_000;
  await endInvocation(last);
  await endInvocation({ remainingMs: () => 60_000 });

  assert.deepEqual(steps, ['page', 'receivers 10000', 'page']);
});
