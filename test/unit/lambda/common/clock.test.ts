import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clockOffset, clockOffsetText, happenedAt, isWaitingUntil, isWithinLast } from '#common/clock.ts';
import { DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, spanText } from '#common/time.ts';
import { after, noon } from '../../../support/clock.ts';

test('a wait lasts as long as it says, and one beyond its longest span is over', () => {
  const isWaiting = (ms: number) => isWaitingUntil(after(noon, ms), noon, HOUR_MS);

  assert.deepEqual([-1, 0, 1, HOUR_MS, HOUR_MS + 2 * MINUTE_MS, 365 * DAY_MS].map(isWaiting), [
    ...[false, false, true, true, false, false],
  ]);
});

test('what happened lately is recent, and what is dated in the future is not', () => {
  const isRecent = (agoMs: number) => isWithinLast(after(noon, -agoMs), noon, HOUR_MS);

  assert.deepEqual([0, HOUR_MS - 1, HOUR_MS, -MINUTE_MS, -MINUTE_MS - 1, -365 * DAY_MS].map(isRecent), [
    ...[true, true, false, true, false, false],
  ]);
});

test('a time that is stored is taken for the present, where it is in the future', () => {
  const stored = [undefined, after(noon, -365 * DAY_MS), after(noon, MINUTE_MS), after(noon, MINUTE_MS + 1)];

  assert.deepEqual(
    stored.map((at) => happenedAt(at, noon)),
    [noon, stored[1], stored[2], noon],
  );
});

const ROWS: [says: string, begin: number, end: number, offset: number][] = [
  ['is right', 0, 40, 0],
  ['is right, and the answer took twenty seconds', -10 * SECOND_MS, 10 * SECOND_MS, 0],
  ['is right, and the header has whole seconds', 999, 1040, 0],
  ['is a day ahead', DAY_MS, DAY_MS + 40, DAY_MS],
  ['is a day behind', -DAY_MS - 40, -DAY_MS, -DAY_MS],
];
for (const [says, begin, end, offset] of ROWS) {
  test(`a clock that ${says} differs by ${offset} ms from the store's`, () => {
    const times = { storeTime: noon, begin: after(noon, begin), end: after(noon, end) };

    assert.equal(clockOffset(times), offset);
  });
}

test('an offset and a span are said in one unit', () => {
  assert.deepEqual([100 * DAY_MS, -DAY_MS, 61 * SECOND_MS].map(clockOffsetText), [
    ...['100 days ahead', '24 h behind', '1 min ahead'],
  ]);
  assert.deepEqual([-5, 45_999, 3 * MINUTE_MS, 47 * HOUR_MS, 59.9 * DAY_MS].map(spanText), [
    ...['0 s', '45 s', '3 min', '47 h', '59 days'],
  ]);
});
