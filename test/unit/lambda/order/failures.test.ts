import assert from 'node:assert/strict';
import { test } from 'node:test';
import { failureOfAttempt, nextFailures, nextPostponed } from '../../../../lambda/order/failures.ts';
import { after, noon } from '../../../support/clock.ts';

const error = { code: 'ERR_ACME_UNREACHABLE', message: 'GET https://ca.test/directory: ECONNREFUSED' };
const failed = (certificate: string) => ({ certificate, result: 'failed', error });
const configured = new Set(['a.test', 'b.test']);

test('an attempt that fails without an order record is remembered, with the time of the first and of the last', () => {
  const first = nextFailures({}, [failed('a.test')], configured, noon);
  const second = nextFailures(first, [failed('a.test')], configured, after(noon, 1000));

  assert.deepEqual(second, {
    'a.test': { ...error, since: noon, at: after(noon, 1000), attempts: 2 },
  });
  const at = after(noon, 1000).toISOString();
  assert.deepEqual(failureOfAttempt(second['a.test']), { ...error, attempts: 2, at, nextAttempt: at });
});

test('a pass over another certificate, or one that waits, ends no failure', () => {
  const before = nextFailures({}, [failed('a.test')], configured, noon);

  for (const result of ['deferred', 'postponed', 'planned']) {
    assert.deepEqual(nextFailures(before, [{ certificate: 'a.test', result }], configured, noon), before);
  }
  assert.deepEqual(
    nextFailures(before, [{ certificate: 'b.test', result: 'issued' }], configured, noon),
    before,
  );
});

for (const result of ['issued', 'kept']) {
  test(`${result} ends it`, () => {
    const before = nextFailures({}, [failed('a.test')], configured, noon);

    assert.deepEqual(nextFailures(before, [{ certificate: 'a.test', result }], configured, noon), {});
  });
}

test('what is not configured any more fails no more', () => {
  const before = nextFailures({}, [failed('a.test')], configured, noon);

  assert.deepEqual(nextFailures(before, [], new Set(['b.test']), noon), {});
});

test('what a pass has no time for is remembered until a pass has, and while it is configured', () => {
  const attempts = [
    { certificate: 'a.test', result: 'postponed' },
    { certificate: 'b.test', result: 'issued' },
  ];

  assert.deepEqual(nextPostponed([], attempts, configured), ['a.test']);
  assert.deepEqual(nextPostponed(['b.test'], attempts, configured), ['a.test']);
  assert.deepEqual(nextPostponed(['a.test', 'gone.test'], [], configured), ['a.test'], 'a pass over others');
});
