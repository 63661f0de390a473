import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DAY_MS } from '#common/time.ts';
import { durationText } from '../../../../lambda/status/time-text.ts';
import { after, noon } from '../../../support/clock.ts';

test('a time of a host whose clock is ahead has begun now: nothing has lasted for as long as that clock is off', () => {
  const times = [-3 * DAY_MS, 100 * DAY_MS].map((ms) => after(noon, ms).toISOString());

  assert.deepEqual(
    times.map((since) => durationText(since, noon)),
    ['for 3 days', 'for 0 s'],
  );
});
