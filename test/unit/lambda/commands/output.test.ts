import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  EXIT,
  exitStatusOfOutcomes,
  outcomeTable,
  reportTable,
  USAGE,
} from '../../../../lambda/commands/output.ts';
import type { Outcome } from '../../../../lambda/outcome.ts';
import { named } from '../../../support/issuer/documents.ts';

const outcome = (certificate: string, changes: Partial<Outcome>): Outcome => ({
  certificate: named(certificate),
  result: 'kept',
  reason: 'fresh',
  identifiers: [certificate],
  ...changes,
});
const results = (...all: Outcome['result'][]) => all.map((result) => outcome('a.test', { result }));

for (const [says, outcomes, status] of [
  ['nothing was to be done', [], EXIT.ok],
  ['all is kept', results('kept', 'kept'), EXIT.ok],
  ['all was issued', results('issued', 'kept'), EXIT.ok],
  ['some wait', results('deferred', 'postponed', 'planned'), EXIT.ok],
  ['the only one failed', results('failed'), EXIT.failed],
  ['all failed', results('failed', 'failed'), EXIT.failed],
  ['one failed, others are fine', results('failed', 'issued', 'kept'), EXIT.partlyFailed],
  ['one failed, others wait', results('failed', 'deferred'), EXIT.partlyFailed],
] as const) {
  test(`the exit status is ${status} where ${says}`, () => {
    assert.equal(exitStatusOfOutcomes(outcomes), status);
  });
}

test('the usage names every exit status', () => {
  const statuses = [
    ...USAGE.matchAll(/(\d+) (done|failed|some certificates failed|usage|configuration)/g),
  ].map(([, status]) => Number(status));

  assert.deepEqual(statuses, [EXIT.ok, EXIT.failed, EXIT.partlyFailed, EXIT.usage, EXIT.config]);
});

test('outcomes are a table with a line for each certificate', () => {
  const table = outcomeTable([
    outcome('www.example.com', {
      result: 'issued',
      reason: 'lifetime',
      serial: '0A1B',
      notAfter: '2027-02-20T11:00:00.000Z',
    }),
    outcome('a.test', { until: '2026-12-01T12:34:56.000Z' }),
    outcome('b.test', {
      result: 'failed',
      reason: 'missing',
      error: { code: 'ERR_AUTHORIZATION', message: 'b.test: authorization is invalid' },
    }),
  ]);

  assert.equal(
    table,
    [
      'CERTIFICATE      RESULT  REASON                        SERIAL  EXPIRES',
      'www.example.com  issued  lifetime                      0A1B    2027-02-20 11:00',
      'a.test           kept    fresh until 2026-12-01 12:34  -       -',
      'b.test           failed  missing                       -       -                 ERR_AUTHORIZATION b.test: authorization is invalid',
      '',
    ].join('\n'),
  );
});

test('a fleet is a table of its certificates, and a line for each host that is silent or has left', () => {
  const certificate = {
    certificate: 'a.test',
    identifiers: ['a.test', 'b.test'],
    serial: '0A',
    notAfter: '2027-02-20T11:00:00.000Z',
  };
  const behind = [
    { host: 'lb2', state: 'failed' as const, error: { code: 'ERR_RUNTIME_REFUSED', message: 'long' } },
    { host: 'lb3', state: 'pending' as const },
  ];

  const table = reportTable([
    {
      fleet: 'edge',
      certificates: [{ ...certificate, served: ['lb1'], behind }],
      unreadable: [{ host: 'h9', code: 'ERR_STATUS_VERSION' }],
      silent: [{ host: 'lb3', reportedAt: '2026-11-22T08:00:00.000Z' }],
      left: [{ host: 'lb4', leftAt: '2026-11-22T09:00:00.000Z' }],
    },
    { fleet: 'inner', certificates: [], silent: [], left: [], unreadable: [] },
  ]);

  assert.equal(
    table,
    [
      'fleet edge',
      'CERTIFICATE  IDENTIFIERS    SERIAL  EXPIRES           SERVED BY  BEHIND',
      'a.test       a.test,b.test  0A      2027-02-20 11:00  1 of 3     lb2: failed (ERR_RUNTIME_REFUSED); lb3: pending',
      'silent since 2026-11-22 08:00: lb3',
      'left at 2026-11-22 09:00: lb4',
      'status cannot be read: h9 (ERR_STATUS_VERSION)',
      '',
      'fleet inner',
      'CERTIFICATE  IDENTIFIERS  SERIAL  EXPIRES  SERVED BY  BEHIND',
      '',
    ].join('\n'),
  );
});
