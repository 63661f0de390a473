/** A CA that refuses one registered domain, one set of names or one name is asked for everything else (field.md E16). */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DAY_MS, HOUR_MS, MINUTE_MS } from '#common/time.ts';
import { AcmeProblem, AuthorizationFailed } from '../../../../lambda/acme/problem.ts';
import { CaBudget } from '../../../../lambda/ca/budget.ts';
import type { BudgetRequest } from '../../../../lambda/ca/demands.ts';
import { DIRECTORIES } from '../../../../lambda/config/known-cas.ts';
import { memoryBucket } from '../../../support/bucket/memory-bucket.ts';
import { after, fakeClock, noon } from '../../../support/clock.ts';
import { recordEvents } from '../../../support/issuer/events.ts';

const directoryUrl = DIRECTORIES['letsencrypt'] ?? '';
const LINK = ': see https://letsencrypt.org/docs/rate-limits/#';

function openBudget() {
  const clock = fakeClock();
  const events = recordEvents();
  const bucket = memoryBucket();
  const options = { bucket, now: clock.now, log: events.log };
  return { clock, events, options, budget: new CaBudget(options, { version: 1, cas: {}, sets: {} }) };
}

const refused = (detail: string, retryAfter?: Date) =>
  new AcmeProblem({ type: 'urn:ietf:params:acme:error:rateLimited', detail }, 429, retryAfter);
const request = (...identifiers: string[]): BudgetRequest => ({ directoryUrl, identifiers, count: 1 });

/** As Boulder words them; each with what else waits, and what does not. */
const TEXTS: [
  detail: string,
  of: string[],
  waits: BudgetRequest[],
  goes: BudgetRequest[],
  until: Date | undefined,
][] = [
  [
    `too many certificates (50) already issued for "example.com" in the last 168h0m0s, retry after 2026-11-22 15:21:36 UTC${LINK}new-certificates-per-registered-domain`,
    ['n1.example.com', 'n1.example.net'],
    [request('n2.example.com'), request('*.example.com'), request('x.example.net', 'example.com')],
    [request('n1.example.net'), request('badexample.com')],
    new Date('2026-11-22T15:21:36Z'),
  ],
  [
    `too many certificates (5) already issued for this exact set of identifiers in the last 168h0m0s, retry after 2026-11-22 14:00:00 UTC${LINK}new-certificates-per-exact-set-of-identifiers`,
    ['b.example.com', 'a.example.com'],
    [request('a.example.com', 'b.example.com')],
    [request('a.example.com')],
    new Date('2026-11-22T14:00:00Z'),
  ],
  [
    `too many failed authorizations (5) for "bad.example.com" in the last 1h0m0s, retry after 2026-11-22 12:11:00 UTC${LINK}authorization-failures-per-identifier-per-account`,
    ['a.example.com', 'bad.example.com'],
    [request('bad.example.com', 'c.example.com'), request('*.bad.example.com')],
    [request('a.example.com')],
    new Date('2026-11-22T12:11:00Z'),
  ],
  [
    'Your account is temporarily prevented from requesting certificates for p1.example.com, p2.example.com and possibly others. Please visit: https://portal.letsencrypt.org/sfe/v1/unpause?jwt=abc',
    ['p1.example.com', 'p2.example.com', 'fine.example.com'],
    [request('p1.example.com'), request('p2.example.com')],
    [request('fine.example.com')],
    after(noon, DAY_MS),
  ],
  [
    `too many new orders (300) from this account in the last 3h0m0s, retry after 2026-11-22 12:00:36 UTC${LINK}new-orders-per-account`,
    ['a.example.com'],
    [request('other.example.net')],
    [
      { ...request('renewed.example.net'), renewal: 'in-window' },
      { ...request('placed.example.net'), count: 0, certificates: 1 },
    ],
    new Date('2026-11-22T12:00:36Z'),
  ],
  // The text is another one, the link is known.
  [
    `slow down${LINK}new-certificates-per-exact-set-of-hostnames`,
    ['a.test'],
    [request('a.test')],
    [],
    undefined,
  ],
];

for (const [detail, identifiers, waits, goes, until] of TEXTS) {
  test(`"${detail.slice(0, 60)}…" holds back what it concerns`, async () => {
    const { budget, events, options, clock } = openBudget();

    budget.recordFailure(directoryUrl, refused(detail), true, identifiers);
    await budget.save();

    assert.equal(budget.pausedUntil(directoryUrl), undefined, 'the CA is not paused');
    assert.deepEqual(events.names(), ['ca.refused']);
    assert.ok(
      waits.every((one) => budget.refusedBy(one) !== undefined),
      'what it concerns waits',
    );
    assert.deepEqual(
      goes.map((one) => budget.refusedBy(one)),
      goes.map(() => undefined),
    );
    if (until !== undefined) assert.deepEqual(budget.refusedBy(waits[0] as BudgetRequest)?.until, until);
    // The next pass knows it, until it is over.
    const { readCaBudget } = await import('../../../../lambda/ca/budget.ts');
    const next = await readCaBudget(options);
    assert.notEqual(next.refusedBy(waits[0] as BudgetRequest), undefined);
    clock.advance(DAY_MS);
    assert.equal(next.refusedBy(waits[0] as BudgetRequest), undefined);
  });
}

/** What does not say what it concerns, or names what is not in the order, concerns the CA as a whole. */
const WHOLE = [
  'rate limit exceeded',
  '',
  'too many certificates (50) already issued for "other.test" in the last 168h0m0s',
  'too many failed authorizations (5) for "other.test" in the last 1h0m0s',
  `too many new registrations (10) from this IP address in the last 3h0m0s${LINK}new-registrations-per-ip-address`,
  'Your account is temporarily prevented from requesting certificates for other.test and possibly others.',
];

for (const detail of WHOLE) {
  test(`"${detail.slice(0, 60)}" pauses the CA`, () => {
    const { budget, events } = openBudget();

    budget.recordFailure(directoryUrl, refused(detail), true, ['a.example.com']);

    assert.deepEqual(budget.pausedUntil(directoryUrl), after(noon, 15 * MINUTE_MS));
    assert.deepEqual(events.names(), ['ca.paused']);
  });
}

test('however long a CA refuses, it is asked again a day later', () => {
  const { budget } = openBudget();
  const detail = 'too many certificates (5) already issued for this exact set of identifiers';

  budget.recordFailure(directoryUrl, refused(detail, after(noon, 30 * DAY_MS)), true, ['a.test']);

  assert.deepEqual(budget.refusedBy(request('a.test'))?.until, after(noon, DAY_MS));
});

test('the fifth failed validation of a name in an hour holds back every order with that name, an emergency not', () => {
  const { budget, clock } = openBudget();
  const failed = new AuthorizationFailed('bad.example.com', 'no answer');
  for (let failures = 0; failures < 5; failures += 1) {
    budget.recordFailure(directoryUrl, failed, true, ['bad.example.com', 'a.example.com']);
  }

  const held = budget.reserve(request('other.example.com', '*.bad.example.com')).held;

  assert.deepEqual(held, {
    directoryUrl,
    limit: 'failedValidations',
    subject: 'bad.example.com',
    text: '5 failed validations of bad.example.com in 1 h',
    until: after(noon, 12 * MINUTE_MS),
  });
  assert.equal(budget.reserve(request('a.example.com')).held, undefined);
  const emergency = budget.reserve({ ...request('bad.example.com'), isEmergency: true });
  assert.equal(emergency.held, undefined);
  budget.release(emergency);
  clock.advance(12 * MINUTE_MS);
  assert.equal(budget.reserve(request('bad.example.com')).held, undefined);
});

test("a name that fails each hour for ever is not paused by Let's Encrypt: beyond half of its 1,152 it is tried once a day; a success ends it", () => {
  const { budget, clock } = openBudget();
  const failed = new AuthorizationFailed('gone.example.com', 'no answer');
  const emergency: BudgetRequest = { ...request('gone.example.com'), isEmergency: true };
  const [days, perDay] = [400, [] as number[]];
  let atCa = 0;
  for (let day = 0; day < days; day += 1) {
    let tries = 0;
    for (let hour = 0; hour < 24; hour += 1) {
      if (budget.reserve(emergency).held === undefined) {
        budget.recordFailure(directoryUrl, failed, true, ['gone.example.com']);
        tries += 1;
        atCa += 1;
      }
      clock.advance(HOUR_MS);
    }
    atCa = Math.max(0, atCa - 1);
    assert.ok(atCa < 1152, `day ${day}: ${atCa} failures in a row at the CA`);
    perDay.push(tries);
  }

  assert.equal(perDay[0], 24);
  assert.equal(perDay.at(-1), 1);
  budget.recordIssued(request('gone.example.com'));
  assert.equal(budget.reserve(emergency).held, undefined);
});
