import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DAY_MS } from '#common/time.ts';
import { parseRetryAfter } from '../../../../lambda/acme/retry-after.ts';
import { after, noon } from '../../../support/clock.ts';

for (const [value, wanted] of [
  [undefined, undefined],
  ['0', noon],
  ['7', after(noon, 7_000)],
  ['3600', after(noon, 3_600_000)],
  ['Sun, 22 Nov 2026 12:00:07 GMT', after(noon, 7_000)],
  ['Sun, 22 Nov 2026 11:00:00 GMT', after(noon, -3_600_000)],
  ['', undefined],
  ['soon', undefined],
  ['Infinity', undefined],
  ['1e9', undefined],
  ['99999999999999999999', after(noon, 31 * DAY_MS)],
  ['Fri, 31 Dec 9999 23:59:59 GMT', after(noon, 31 * DAY_MS)],
] as const) {
  test(`RFC 9110 §10.2.3: Retry-After ${JSON.stringify(value)} is ${wanted?.toISOString() ?? 'nothing'}`, () => {
    assert.deepEqual(parseRetryAfter(value, noon), wanted);
  });
}

for (const value of ['-5', '3.5', '7s']) {
  test(`Retry-After ${JSON.stringify(value)} is nonsense and delays nothing`, () => {
    assert.ok((parseRetryAfter(value, noon) ?? noon) <= noon);
  });
}
