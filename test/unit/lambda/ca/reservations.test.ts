/** What is given back is what was taken, once: the budget of an account neither leaks nor grows. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HOUR_MS, MINUTE_MS } from '#common/time.ts';
import { AuthorizationFailed } from '../../../../lambda/acme/problem.ts';
import { CaBudget } from '../../../../lambda/ca/budget.ts';
import type { BudgetRequest } from '../../../../lambda/ca/demands.ts';
import { DIRECTORIES } from '../../../../lambda/config/known-cas.ts';
import type { LimitKind } from '../../../../lambda/config/limits.ts';
import { memoryBucket } from '../../../support/bucket/memory-bucket.ts';
import { after, fakeClock, noon } from '../../../support/clock.ts';

const LETS_ENCRYPT = DIRECTORIES['letsencrypt'] ?? '';
const PRIVATE = 'https://ca.internal.example/acme/directory';

function openBudget(limits?: Partial<Record<LimitKind, { count: number; hours: number }>>) {
  const clock = fakeClock();
  const config = { acme: { directoryUrl: PRIVATE, limits } };
  const options = { bucket: memoryBucket(), config, now: clock.now, log: () => undefined };
  return { clock, budget: new CaBudget(options, { version: 1, cas: {}, sets: {} }) };
}

const request = (name: string, given: Partial<BudgetRequest> = {}): BudgetRequest => ({
  ...{ directoryUrl: PRIVATE, identifiers: [name], count: 1 },
  ...given,
});

/** How many first issues there is room for. */
function roomIn(budget: CaBudget, directoryUrl = PRIVATE): number {
  for (let room = 0; ; room += 1) {
    if (budget.reserve(request(`room${room}.test`, { directoryUrl })).held !== undefined) return room;
  }
}

test('an exempt renewal has taken nothing, and gives nothing back', () => {
  const { budget } = openBudget();
  const fullAt = () => budget.state.cas[LETS_ENCRYPT]?.buckets?.newOrders?.['account'];
  const given = { directoryUrl: LETS_ENCRYPT };
  const first = budget.reserve(request('first.test', given));
  const exempt = budget.reserve(request('exempt.test', { ...given, renewal: 'in-window' }));

  budget.release(exempt);
  assert.deepEqual(fullAt(), after(noon, (3 * HOUR_MS) / 250), 'the first order still counts');
  budget.release(first);
  assert.deepEqual(fullAt(), noon);
});

test('an emergency that finds the bucket empty gives back no more than it has taken', () => {
  const { budget } = openBudget({ newOrders: { count: 2, hours: 3 } });
  for (const name of ['a.test', 'b.test']) budget.release(budget.reserve(request(name)), 1);
  const emergencies = ['c.test', 'd.test'].map((name) =>
    budget.reserve(request(name, { isEmergency: true })),
  );

  for (const one of emergencies) budget.release(one);

  assert.equal(roomIn(budget), 0);
});

test('what is released twice, or after its order was placed, makes no room', () => {
  const { budget } = openBudget({ newOrders: { count: 2, hours: 3 } });
  const [placed, twice] = ['a.test', 'b.test'].map((name) => budget.reserve(request(name)));

  budget.release(placed, 1);
  budget.release(placed);
  budget.release(twice);
  budget.release(twice);

  assert.equal(roomIn(budget), 1);
});

test('an order that had to be replaced is counted twice', () => {
  const { budget } = openBudget({ newOrders: { count: 3, hours: 3 } });

  budget.release(budget.reserve(request('a.test')), 2);

  assert.equal(roomIn(budget), 1);
});

test('a certificate that was issued and then not published has been issued', () => {
  const { budget } = openBudget({ certificatesPerNames: { count: 1, hours: 3 } });
  const issued = budget.reserve(request('a.test'));
  budget.release(issued, 1);
  budget.recordIssued(request('a.test'));

  budget.release(issued);

  assert.equal(budget.reserve(request('a.test')).held?.limit, 'certificatesPerNames');
});

test('failed validations: the orders of a pass that share a name are counted together, each until it succeeds', () => {
  const { budget } = openBudget();
  const given = { directoryUrl: LETS_ENCRYPT };
  const shared = (index: number) =>
    request('', { ...given, identifiers: [`u${index}.example.org`, 'bad.example.org'] });

  const reservations = Array.from({ length: 8 }, (_, index) => budget.reserve(shared(index)));

  assert.deepEqual(
    reservations.map(({ held }) => held?.until),
    [...Array.from({ length: 5 }, () => undefined), ...[12, 24, 36].map((at) => after(noon, at * MINUTE_MS))],
  );
  const [held] = reservations.flatMap(({ held }) => held ?? []);
  assert.equal(held?.text, '5 failed validations of bad.example.org in 1 h');
  budget.release(reservations[0], 1);
  assert.equal(budget.reserve(shared(8)).held, undefined, 'the first has succeeded');
});

test('failed validations: five in an hour, however many orders share the name; afterwards one each twelve minutes', () => {
  const { budget, clock } = openBudget();
  const failures: number[] = [];
  const shared = (index: number) => [`u${index}.example.org`, '*.bad.example.org'];
  for (let pass = 0; pass < 12; pass += 1) {
    const given = { directoryUrl: LETS_ENCRYPT };
    const reservations = Array.from({ length: 8 }, (_, index) =>
      budget.reserve(request('', { ...given, identifiers: shared(index) })),
    );
    const tried = reservations.filter(({ held }) => held === undefined);
    for (const reservation of tried) {
      const { identifiers } = reservation.request;
      budget.release(reservation, 1);
      budget.recordFailure(LETS_ENCRYPT, new AuthorizationFailed('bad.example.org', 'no'), true, identifiers);
    }
    failures.push(tried.length);
    clock.advance(6 * MINUTE_MS);
  }

  assert.deepEqual(failures, [5, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0]);
});
