/** Orders are counted before they are placed, and the document is written only when it has changed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HOUR_MS, MINUTE_MS } from '#common/time.ts';
import { layout } from '#contract/layout.ts';
import { readCaBudget } from '../../../../lambda/ca/budget.ts';
import type { BudgetRequest } from '../../../../lambda/ca/demands.ts';
import { memoryBucket } from '../../../support/bucket/memory-bucket.ts';
import { after, fakeClock, noon } from '../../../support/clock.ts';
import { DIRECTORY_URL } from '../../../support/issuer/documents.ts';

const orderOf = (name: string, count = 1): BudgetRequest => ({
  directoryUrl: DIRECTORY_URL,
  identifiers: [name],
  count,
});

async function stage(ordersPer3Hours: number) {
  const bucket = memoryBucket();
  const clock = fakeClock();
  const open = () =>
    readCaBudget({ bucket, config: { ordersPer3Hours }, now: clock.now, log: () => undefined });
  const text = () => bucket.text(layout.caState);
  return { bucket, clock, open, text };
}

test('the document is what a v1 looks like: when each bucket is full again; orders that were not placed are given back', async () => {
  const { open, text } = await stage(250);
  const budget = await open();
  const [, , last] = ['a.test', 'b.test', 'c.test'].map((name) => budget.reserve(orderOf(name, 2)));
  await budget.save();
  const counted = text();

  budget.release(last);
  budget.recordIssued(orderOf('a.test'));
  await budget.save();

  const document = (orders: number) => ({
    version: 1,
    cas: {
      [DIRECTORY_URL]: {
        ...{ strikes: 0, orders: [] },
        buckets: { newOrders: { account: after(noon, (orders * 3 * HOUR_MS) / 250).toISOString() } },
      },
    },
    sets: {},
  });
  assert.equal(counted, `${JSON.stringify(document(6), null, 1)}\n`);
  assert.equal(text(), `${JSON.stringify(document(4), null, 1)}\n`);
});

test('a document of version 0.1 is read: its orders count until they are three hours old', async () => {
  const { bucket, clock, open, text } = await stage(4);
  const orders = [{ at: after(noon, -HOUR_MS).toISOString(), count: 4 }];
  const cas = { [DIRECTORY_URL]: { strikes: 0, orders } };
  await bucket.put(layout.caState, JSON.stringify({ version: 1, cas, sets: {} }));

  const before = await open();
  const [first, second] = ['a.test', 'b.test'].map((name) => before.reserve(orderOf(name)).held);
  clock.advance(MINUTE_MS);
  await before.save();

  assert.equal(first, undefined);
  assert.deepEqual(second?.until, after(noon, HOUR_MS / 2));
  assert.deepEqual(JSON.parse(text() ?? '').cas[DIRECTORY_URL].orders, []);
});

test('what has not changed is not written', async () => {
  const { bucket, open } = await stage(250);
  const budget = await open();
  await budget.save();
  budget.release({ request: orderOf('a.test'), orders: 1, pending: [] });
  budget.release(undefined);
  await budget.save();

  assert.deepEqual(bucket.calls, [`get ${layout.caState}`]);
});

test('an order without room waits until the bucket has refilled as far; a killed pass counts', async () => {
  const { clock, open } = await stage(2);
  const first = await open();
  assert.equal(first.reserve(orderOf('a.test', 2)).held, undefined);
  await first.save();
  clock.advance(HOUR_MS);

  const waits = (await open()).reserve(orderOf('b.test')).held;
  clock.advance(HOUR_MS / 2);
  const later = (await open()).reserve(orderOf('b.test')).held;

  assert.deepEqual(waits, {
    directoryUrl: DIRECTORY_URL,
    limit: 'newOrders',
    text: '2 new orders of the account in 3 h',
    until: after(noon, 1.5 * HOUR_MS),
  });
  assert.equal(later, undefined);
});
