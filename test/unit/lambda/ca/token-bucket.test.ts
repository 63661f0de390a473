/** A token bucket held by one time: full at first, and refilled evenly. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DAY_MS, HOUR_MS } from '#common/time.ts';
import { returned, roomAt, taken, tokensIn } from '../../../../lambda/ca/token-bucket.ts';
import { after, noon } from '../../../support/clock.ts';

const fivePerWeek = { count: 5, perMs: 7 * DAY_MS };
/** Not a whole number of milliseconds each. */
const sevenPerHour = { count: 7, perMs: HOUR_MS };

test('a bucket is full at first, empty after so many, and has one more after each interval', () => {
  const empty = taken(fivePerWeek, undefined, 5, noon);
  const interval = (7 * DAY_MS) / 5;

  assert.equal(tokensIn(fivePerWeek, undefined, noon), 5);
  assert.deepEqual(
    [0, interval - 1000, interval, 2 * interval, 7 * DAY_MS].map((ms) =>
      tokensIn(fivePerWeek, empty, after(noon, ms)),
    ),
    [0, 0, 1, 2, 5],
  );
  assert.deepEqual(roomAt(fivePerWeek, empty, 1, noon), after(noon, interval));
});

test('intervals that are no whole milliseconds lose no token', () => {
  let fullAt: Date | undefined;
  for (let token = 0; token < 7; token += 1) {
    assert.ok(tokensIn(sevenPerHour, fullAt, noon) >= 1, `token ${token + 1}`);
    fullAt = taken(sevenPerHour, fullAt, 1, noon);
  }

  assert.equal(tokensIn(sevenPerHour, fullAt, noon), 0);
  const room = roomAt(sevenPerHour, fullAt, 1, noon);
  assert.equal(tokensIn(sevenPerHour, fullAt, room), 1);
});

test('what is taken from an empty bucket is no debt, and what is given back is there again', () => {
  const empty = taken(fivePerWeek, undefined, 9, noon);

  assert.deepEqual(empty, after(noon, 7 * DAY_MS));
  assert.equal(tokensIn(fivePerWeek, returned(fivePerWeek, empty, 2), noon), 2);
});

test('a time that no empty bucket needs was stored by a clock that was ahead: the bucket is full', () => {
  assert.equal(tokensIn(fivePerWeek, after(noon, 365 * DAY_MS), noon), 5);
});
