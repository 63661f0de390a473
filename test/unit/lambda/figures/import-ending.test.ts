/** The end of what was imported is a level from thirty days on, in three stages, and it is never overdue. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DAY_MS } from '#common/time.ts';
import { type ProblemFacts, problemsOf } from '../../../../lambda/figures/problems.ts';
import { noon } from '../../../support/clock.ts';

const notAfter = new Date(noon.getTime() + 400 * DAY_MS);
const pem = { fleet: 'edge', certificate: 'shop', notBefore: noon, notAfter };
const nothing: ProblemFacts = {
  ...{ outcomes: [], failing: [], missing: [], published: [], unconfigured: [], fleets: [], failedCalls: [] },
  now: noon,
};
const before = (days: number) => new Date(notAfter.getTime() - days * DAY_MS);
const codesAt = (now: Date, facts: Partial<ProblemFacts>) =>
  problemsOf({ ...nothing, ...facts, now }).map(({ level, code, since }) => [level, code, since]);

const STAGES: [days: number, code: string | undefined, sinceDays: number][] = [
  [30.1, undefined, 0],
  [29.9, 'imported-ends-in-30-days', 30],
  [13.9, 'imported-ends-in-14-days', 14],
  [6.9, 'imported-ends-in-7-days', 7],
  [0.1, 'imported-ends-in-7-days', 7],
];

test('configured as imported, or imported and not configured: each stage stands until the next one', () => {
  const kept = { ...pem, result: 'kept' as const, notAfter: notAfter.toISOString(), isImported: true };
  for (const facts of [{ published: [{ ...pem, isImported: true }] }, { unconfigured: [kept] }]) {
    for (const [days, code, sinceDays] of STAGES) {
      const wanted = code === undefined ? [] : [['CertificatesEnding', code, before(sinceDays)]];
      assert.deepEqual(codesAt(before(days), facts), wanted, `${days} days before`);
    }
  }
});

test('over, it has expired; what a CA renews is overdue in its place', () => {
  const imported = { published: [{ ...pem, isImported: true }] };
  assert.deepEqual(
    codesAt(before(-1), imported).map(([level]) => level),
    ['CertificatesExpired'],
  );
  assert.deepEqual(
    codesAt(before(29), { published: [pem] }).map(([level]) => level),
    ['CertificatesOverdue'],
  );
});
