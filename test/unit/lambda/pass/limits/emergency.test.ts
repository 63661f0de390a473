/** What makes an order urgent are facts of its plan, not the reason of the decision, which a failure or another CA changes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HOUR_MS } from '#common/time.ts';
import { CaBudget } from '../../../../../lambda/ca/budget.ts';
import { emergencyOf } from '../../../../../lambda/pass/limits/renewal.ts';
import { budgetRequestOf, withinBudget } from '../../../../../lambda/pass/limits/within-budget.ts';
import { makePlan } from '../../../../../lambda/pass/plan.ts';
import { memoryBucket } from '../../../../support/bucket/memory-bucket.ts';
import { after, noon } from '../../../../support/clock.ts';
import {
  DIRECTORY_URL,
  makeDueInput,
  makeEntry,
  makePemRef,
  makeRecord,
  makeSpec,
} from '../../../../support/issuer/documents.ts';

type Subject = Parameters<typeof makePlan>[0];
type Record = Parameters<typeof makeRecord>[0];

const FALLBACK = 'https://fallback.test/dir';
const now = after(noon, 2 * HOUR_MS);
const failedAt = after(noon, HOUR_MS);
const FACTS: [says: string, facts: Partial<Subject>, revoked: string[]][] = [
  ['revoked', {}, [makePemRef().sha256]],
  ['lost', { isLost: true }, []],
  ['replacement', { replaceSince: after(noon, 1) }, []],
];

const failure = { at: failedAt, code: 'ERR_ACME_PROBLEM', message: 'no', isCaFault: true };
const RECORDS: [reason: string, record: Record | undefined, name: string][] = [
  ['a new order', undefined, 'a.test'],
  ['an order in flight', {}, 'a.test'],
  ['a retry', { failures: 1, lastFailure: { ...failure, isCaFault: false } }, 'a.test'],
  ['another CA', { failures: 2, lastFailure: failure }, 'a.test'],
  ['another name', undefined, 'b.test'],
];

function planOf(facts: Partial<Subject>, revoked: string[], record: Record | undefined, name = 'a.test') {
  const stored =
    record === undefined
      ? undefined
      : { name, isResumed: true, etag: '', record: makeRecord({ createdAt: failedAt, ...record }) };
  const subject = { spec: makeSpec({ identifiers: [name] }), published: makeEntry(), isFreshKey: false };
  const cas = [{ directoryUrl: DIRECTORY_URL }, { directoryUrl: FALLBACK }];
  const context = makeDueInput({ now, cas, revoked: new Set(revoked) });
  return makePlan({ ...subject, stored, ...facts } as Subject, context);
}

for (const [says, facts, revoked] of FACTS) {
  test(`${says}: an emergency for the budget, whatever was tried before`, () => {
    for (const [reason, record, name] of RECORDS) {
      const plan = planOf(facts, revoked, record, name);

      assert.ok('directoryUrl' in plan.decision, `${reason}: ${plan.decision.reason}`);
      assert.equal(emergencyOf(plan, now), says, reason);
      assert.equal(budgetRequestOf(plan, now)?.isEmergency, true, reason);
    }
  });
}

test('a revoked certificate goes first, also after a failure, and gets a fresh key at another CA', () => {
  const revoked = planOf({}, [makePemRef().sha256], { failures: 2, lastFailure: failure });
  const options = { bucket: memoryBucket(), now: () => now, log: () => undefined };
  const budget = new CaBudget(options, { version: 1, cas: {}, sets: {} });
  const postponed = planOf({ isPostponed: true }, [], undefined, 'c.test');

  const [first] = withinBudget([postponed, revoked], budget);

  assert.equal(first?.spec, revoked.spec);
  assert.equal(revoked.isFreshKey, true);
});

test('a renewal that moves to another CA has its place there before a first issue that was to be ordered there', () => {
  const one = { newOrders: { count: 1, hours: 3 } };
  const config = {
    acme: { directoryUrl: DIRECTORY_URL, limits: one },
    fallback: [{ directoryUrl: FALLBACK, limits: one }],
  };
  const options = { bucket: memoryBucket(), config, now: () => now, log: () => undefined };
  const budget = new CaBudget(options, { version: 1, cas: {}, sets: {} });
  const others = [{ directoryUrl: FALLBACK, renewal: undefined }];
  const renewals = ['b.test', 'c.test'].map((name) => ({ ...planOf({}, [], undefined, name), others }));
  const first = planOf({ published: undefined }, [], undefined, 'new.test');
  const atFallback = { ...first, decision: { ...first.decision, directoryUrl: FALLBACK } as never };

  const placed = withinBudget([atFallback, ...renewals], budget);

  const places = placed.map(({ spec, decision, held }) => {
    const { directoryUrl } = decision as { directoryUrl?: string };
    return [spec.identifiers[0], held?.limit ?? directoryUrl];
  });
  assert.deepEqual(Object.fromEntries(places), {
    'b.test': DIRECTORY_URL,
    'c.test': FALLBACK,
    'new.test': 'newOrders',
  });
});

test('failed validations hold a retry back, forced or not: its order is over, and the next one is new', () => {
  const limits = { failedValidations: { count: 2, hours: 1 } };
  const config = { acme: { directoryUrl: DIRECTORY_URL, limits } };
  const options = { bucket: memoryBucket(), config, now: () => now, log: () => undefined };
  const budget = new CaBudget(options, { version: 1, cas: {}, sets: {} });
  const lastFailure = { ...failure, code: 'ERR_AUTHORIZATION', isCaFault: false };
  const legs = [{ keyType: 'ec256', key: '', presented: [], orderUrl: 'https://ca.test/order/1' }];
  const plans = Array.from({ length: 3 }, () =>
    planOf({ published: undefined }, [], { failures: 1, lastFailure, legs: legs as never }),
  );

  const held = withinBudget(plans, budget).map((plan) => plan.held?.limit);

  assert.deepEqual(
    plans.map(({ decision }) => decision.reason),
    ['retry', 'retry', 'retry'],
  );
  assert.deepEqual(held, [undefined, undefined, 'failedValidations']);
});
