/** Which limits hold at which CA: the published ones of known CAs, what the configuration sets, none elsewhere (field.md E3). */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DAY_MS, HOUR_MS } from '#common/time.ts';
import { CaBudget } from '../../../../lambda/ca/budget.ts';
import type { BudgetRequest } from '../../../../lambda/ca/demands.ts';
import { type LimitConfig, limitsOf } from '../../../../lambda/ca/limits.ts';
import { DIRECTORIES, KNOWN_CAS } from '../../../../lambda/config/known-cas.ts';
import { memoryBucket } from '../../../support/bucket/memory-bucket.ts';
import { fakeClock } from '../../../support/clock.ts';

const LETS_ENCRYPT = DIRECTORIES['letsencrypt'] ?? '';
const PRIVATE = 'https://ca.internal.example/acme/directory';

function openBudget(config: LimitConfig = {}) {
  const clock = fakeClock();
  const options = { bucket: memoryBucket(), config, now: clock.now, log: () => undefined };
  return { clock, budget: new CaBudget(options, { version: 1, cas: {}, sets: {} }) };
}

const request = (given: Partial<BudgetRequest> = {}): BudgetRequest => ({
  ...{ directoryUrl: LETS_ENCRYPT, identifiers: ['a.example.com'], count: 1 },
  ...given,
});

/** Reserves and issues until something holds it back. */
function issueMany(budget: CaBudget, requests: readonly BudgetRequest[]): number {
  for (const [index, one] of requests.entries()) {
    const reservation = budget.reserve(one);
    if (reservation.held !== undefined) return index;
    budget.release(reservation, one.count);
    budget.recordIssued(one);
  }
  return requests.length;
}

const distinct = (count: number, given: Partial<BudgetRequest> = {}) =>
  Array.from({ length: count }, (_, index) => request({ identifiers: [`n${index}.example.com`], ...given }));

test('each directory that has a name in the configuration is in the table, with its source', () => {
  const urls = KNOWN_CAS.map(({ directoryUrl }) => directoryUrl);

  assert.deepEqual(
    Object.values(DIRECTORIES).filter((url) => !urls.includes(url)),
    [],
  );
  for (const { source, readOn } of KNOWN_CAS) {
    assert.match(`${source} ${readOn}`, /^https:.* \d{4}-\d\d-\d\d$/);
  }
});

test('a private CA has no limit: a hundred certificates of one name in a day', () => {
  const { budget } = openBudget();

  assert.equal(
    issueMany(
      budget,
      Array.from({ length: 100 }, () => request({ directoryUrl: PRIVATE })),
    ),
    100,
  );
});

test("Let's Encrypt: five certificates of the same names, wherever they come from in one pass", () => {
  const [issued, placed] = [openBudget(), openBudget()];
  const same = Array.from({ length: 7 }, () => request());

  assert.equal(issueMany(issued.budget, same), 5);
  // None of them has been issued yet: several of one pass are counted together.
  assert.equal(same.filter((one) => placed.budget.reserve(one).held === undefined).length, 5);
});

test("Let's Encrypt: fifty certificates of one registered domain; the answer names the domain, the limit and the time", () => {
  const { budget, clock } = openBudget();

  assert.equal(issueMany(budget, distinct(60)), 50);
  const [held, next] = [budget.reserve(request()).held, budget.reserve(request()).held];

  const interval = (7 * DAY_MS) / 50;
  assert.deepEqual(held, {
    directoryUrl: LETS_ENCRYPT,
    limit: 'certificatesPerDomain',
    subject: 'example.com',
    text: '50 certificates of example.com in 7 days',
    // One was held back before, and gets the first place.
    until: new Date(clock.now().getTime() + 2 * interval),
  });
  assert.deepEqual(next?.until, new Date(clock.now().getTime() + 3 * interval));
  assert.equal(budget.reserve(request({ identifiers: ['other.example.net'] })).held, undefined);
});

test('renewals inside the window that name their predecessor are counted by nothing that the CA does not count (E6)', () => {
  const { budget } = openBudget();

  assert.equal(issueMany(budget, distinct(10_000, { renewal: 'in-window' })), 10_000);
  // They have taken none of the room of others.
  assert.equal(budget.reserve(request({ identifiers: ['new.example.com'] })).held, undefined);
});

test('renewals of the same names outside the window take no order and no certificate of the domain, and five of the names', () => {
  const { budget } = openBudget();

  assert.equal(issueMany(budget, distinct(400, { renewal: 'same-names' })), 400);
  const same = Array.from({ length: 7 }, () => request({ renewal: 'same-names' }));
  assert.equal(issueMany(budget, same), 5);
});

test('an emergency is held back by none of our counts', () => {
  const { budget } = openBudget();
  const same = Array.from({ length: 400 }, () => request({ isEmergency: true }));

  assert.equal(issueMany(budget, same), 400);
});

test('an order that the CA has given out is never held back, and its certificate counts', () => {
  const { budget } = openBudget();
  const resumed = Array.from({ length: 6 }, () => request({ count: 0, certificates: 1 }));

  assert.deepEqual(
    resumed.map((one) => budget.reserve(one).held),
    Array.from({ length: 6 }, () => undefined),
  );
  assert.equal(budget.reserve(request()).held?.limit, 'certificatesPerNames');
});

test('what was reserved and comes to nothing is given back', () => {
  const { budget } = openBudget();
  const all = distinct(50);
  const reservations = all.map((one) => budget.reserve(one));
  assert.notEqual(budget.reserve(request()).held, undefined);

  for (const one of reservations) budget.release(one);
  for (const one of reservations) budget.release(one);

  assert.equal(issueMany(budget, distinct(60)), 50);
});

test('new orders: of what is published we use five sixths, of what is configured all', () => {
  const limits = (config: LimitConfig) => limitsOf(config, LETS_ENCRYPT).limits.newOrders?.count;
  const acme = (given: object) => ({ acme: { directoryUrl: LETS_ENCRYPT, ...given } });

  assert.equal(limits({}), 250);
  assert.equal(limits({ ordersPer3Hours: 100 }), 100);
  assert.equal(limits(acme({ limits: { newOrders: { count: 1500, hours: 3 } } })), 1500);
  assert.equal(limits(acme({ limits: { newOrders: false } })), undefined);
  assert.deepEqual(limitsOf(acme({ limits: false }), LETS_ENCRYPT).limits, {});
  assert.deepEqual(limitsOf({ ordersPer3Hours: 7 }, PRIVATE).limits, {
    newOrders: { count: 7, perMs: 3 * HOUR_MS },
  });
});

test('the configuration sets limits for a fallback CA that the table does not know', () => {
  const limits = { certificatesPerDomain: { count: 2, hours: 24 } };
  const { budget } = openBudget({ fallback: [{ directoryUrl: PRIVATE, limits }] });

  assert.equal(issueMany(budget, distinct(5, { directoryUrl: PRIVATE })), 2);
  assert.equal(issueMany(budget, distinct(5)), 5);
});
