import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fleetName } from '#contract/layout.ts';
import {
  EXIT,
  exitStatusOfOutcomes,
  lostLines,
  outcomeTable,
  USAGE,
  unconfiguredLines,
} from '../../../../lambda/commands/output.ts';
import type { Outcome, UnconfiguredOutcome } from '../../../../lambda/outcome.ts';
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

const failure = {
  ...{ code: 'ERR_AUTHORIZATION', message: 'a.test: connection refused', attempts: 3 },
  ...{ at: '2026-11-22T11:00:00.000Z', nextAttempt: '2026-11-23T11:30:00.000Z' },
};
const waiting = outcome('a.test', { result: 'deferred', reason: 'backing-off', failure });

// Field C7: 47 of 48 passes a day said 0 while a renewal failed.
for (const [says, outcomes, status] of [
  ['the only one backs off', [waiting], EXIT.partlyFailed],
  ['one backs off, others are fine', [waiting, outcome('b.test', {})], EXIT.partlyFailed],
  [
    'one has failed, another backs off',
    [waiting, outcome('b.test', { result: 'failed' })],
    EXIT.partlyFailed,
  ],
  [
    'one is not published, and our budget of orders is spent',
    [outcome('a.test', { result: 'deferred', reason: 'order-budget' }), outcome('b.test', {})],
    EXIT.partlyFailed,
  ],
  [
    'one that is published waits for our budget',
    [outcome('a.test', { result: 'deferred', reason: 'order-budget', serial: '0A' })],
    EXIT.ok,
  ],
  ['one that failed before had no time', [{ ...waiting, result: 'postponed' }], EXIT.partlyFailed],
  ['one that failed before was issued', [{ ...waiting, result: 'issued' }], EXIT.ok],
] as [string, Outcome[], number][]) {
  test(`the exit status is ${status} where ${says}`, () => {
    assert.equal(exitStatusOfOutcomes(outcomes), status);
  });
}

test('what is failing says why, how often, and when it is tried again', () => {
  const failed = outcome('b.test', { result: 'failed', reason: 'retry', error: failure, failure });
  const lines = outcomeTable([{ ...waiting, until: failure.nextAttempt }, failed]).split('\n');

  assert.match(
    lines[1] ?? '',
    /^a\.test +deferred +backing-off until 2026-11-23 11:30 .* failed 3 times, last at 2026-11-22 11:00: ERR_AUTHORIZATION a\.test: connection refused$/,
  );
  assert.match(
    lines[2] ?? '',
    /ERR_AUTHORIZATION a\.test: connection refused; next attempt 2026-11-23 11:30$/,
  );
});

test('the usage names every exit status', () => {
  const statuses = [
    ...USAGE.matchAll(/(\d+) (done|failed|status|some certificates failed|usage|configuration)/g),
  ].map(([, status]) => Number(status));

  assert.deepEqual(statuses, [
    EXIT.ok,
    EXIT.failed,
    EXIT.unknown,
    EXIT.partlyFailed,
    EXIT.usage,
    EXIT.config,
  ]);
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

test('what is published and not configured has a line each: until when, why, and what would end it', () => {
  const base: UnconfiguredOutcome = {
    ...{
      fleet: fleetName.parse('edge'),
      certificate: named('old.test'),
      result: 'kept',
      reason: 'not-covered',
    },
    ...{ identifiers: ['old.test'], serial: '0A', notAfter: '2027-02-20T11:00:00.000Z' },
  };
  const by = [named('new.test')];

  const lines = unconfiguredLines([
    { ...base, uncovered: ['old.test'] },
    { ...base, reason: 'not-proved', by, hosts: ['lb1', 'lb2'] },
    { ...base, reason: 'no-host', by },
    { ...base, reason: 'superseded', by },
    { ...base, result: 'superseded', reason: 'superseded', by },
    { ...base, reason: 'superseded', by, unproven: ['lb1 (not-here)', 'lb2 (unreachable)'] },
    { ...base, result: 'superseded', reason: 'superseded', by, unproven: ['lb1 (not-here)'] },
    { ...base, reason: 'unreadable', error: { code: 'ERR_BUCKET_IO', message: 'is\nmissing' } },
  ]);

  const start = 'fleet edge: old.test: published, not configured, expires 2027-02-20 11:00; ';
  assert.equal(
    lines,
    [
      `${start}no configured certificate has old.test; pemfleet withdraw old.test --fleet edge ends it`,
      `${start}it ends when these hosts have proved new.test: lb1, lb2`,
      `${start}it ends when a host has proved new.test; pemfleet withdraw old.test --fleet edge ends it`,
      `${start}every host has proved new.test: a pass would end it`,
      'fleet edge: old.test: superseded by new.test, which every host has proved',
      `${start}every host serves new.test, without a handshake on lb1 (not-here), lb2 (unreachable): a pass would end it`,
      'fleet edge: old.test: superseded by new.test, which every host serves; no handshake can prove it on lb1 (not-here)',
      `${start}it cannot be judged: ERR_BUCKET_IO is missing`,
      '',
    ].join('\n'),
  );
});

test('names that nobody has any more are a line each: what will be, and what is', () => {
  const lost = (names: string[]) => [{ fleet: fleetName.parse('edge'), names }];
  const lines = lostLines([
    outcome('a.test', { result: 'planned', lost: lost(['b.test']) }),
    outcome('c.test', { result: 'issued', lost: lost(Array.from({ length: 22 }, (_, at) => `n${at}.test`)) }),
    outcome('d.test', {}),
  ]).split('\n');

  assert.equal(
    lines[0],
    'fleet edge: a.test loses b.test: no other certificate has it, and HAProxy has none for it from then on',
  );
  assert.match(
    lines[1] ?? '',
    /^fleet edge: c\.test has lost n0\.test, .*, n19\.test and 2 more: no other certificate has them, and HAProxy has none for them any more$/,
  );
  assert.deepEqual(lines.slice(2), ['']);
});
