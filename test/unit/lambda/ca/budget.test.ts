/** Orders are counted before they are placed, and the document is written only when it has changed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HOUR_MS } from '#common/time.ts';
import { layout } from '#contract/layout.ts';
import { type BudgetRequest, readCaBudget } from '../../../../lambda/ca/budget.ts';
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
  const open = () => readCaBudget({ bucket, ordersPer3Hours, now: clock.now, log: () => undefined });
  const text = () => bucket.text(layout.caState);
  return { bucket, clock, open, text };
}

test('the document is what a v1 looks like: the orders of a pass share a line, those not placed are taken back', async () => {
  const { open, text } = await stage(250);
  const budget = await open();
  for (const name of ['a.test', 'b.test', 'c.test']) budget.reserve(orderOf(name, 2));
  await budget.save();
  const counted = text();

  budget.release(orderOf('c.test', 2));
  budget.recordIssued(orderOf('a.test'));
  await budget.save();

  const document = (count: number, sets: object) => ({
    version: 1,
    cas: { [DIRECTORY_URL]: { strikes: 0, orders: [{ at: noon.toISOString(), count }] } },
    sets,
  });
  assert.equal(counted, `${JSON.stringify(document(6, {}), null, 1)}\n`);
  const sets = { '7c59437f223d500c': [noon.toISOString()] };
  assert.equal(text(), `${JSON.stringify(document(4, sets), null, 1)}\n`);
});

test('what has not changed is not written', async () => {
  const { bucket, open } = await stage(250);
  const budget = await open();
  await budget.save();
  budget.release(orderOf('a.test'));
  budget.release(undefined);
  await budget.save();

  assert.deepEqual(bucket.calls, [`get ${layout.caState}`]);
});

test('an order without room waits until the oldest orders are three hours old; a killed pass counts', async () => {
  const { clock, open } = await stage(2);
  const first = await open();
  assert.equal(first.reserve(orderOf('a.test', 2)), undefined);
  await first.save();
  clock.advance(HOUR_MS);

  const waits = (await open()).reserve(orderOf('b.test'));
  clock.advance(2 * HOUR_MS);
  const later = (await open()).reserve(orderOf('b.test'));

  assert.deepEqual([waits, later], [after(noon, 3 * HOUR_MS), undefined]);
});
