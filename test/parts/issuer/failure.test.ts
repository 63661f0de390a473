/** Orders that fail at a real CA, and what the next pass makes of them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MINUTE_MS } from '#common/time.ts';
import { layout } from '#contract/layout.ts';
import { http01Solver } from '../../../lambda/challenge/http01.ts';
import { readOrderRecords } from '../../../lambda/order/record.ts';
import { named } from '../../support/issuer/documents.ts';
import { onlySolver } from '../../support/issuer/only-solver.ts';
import { ordersAsked, type Stage, startStage } from '../../support/issuer/stage.ts';
import { base64Lines } from '../../support/odd-certificates.ts';

const certificates = [{ identifiers: ['a.test', 'b.test'] }];
const recordOf = async (stage: Stage) => (await readOrderRecords(stage.bucket)).records.get('a.test')?.record;

test('nobody answers the challenges: the identifier and the cause are named, the next pass succeeds by a new order', async (t) => {
  const stage = await startStage(t, { withoutResponder: true });

  const [failed] = await stage.pass(certificates);

  assert.equal(failed?.error?.code, 'ERR_AUTHORIZATION');
  assert.match(
    failed?.error?.message ?? '',
    /^[ab]\.test: authorization is invalid: connection \(.*; is port 80 of this name open/,
  );
  assert.deepEqual(await stage.bucket.list('challenge/'), [], 'its answers are removed');
  const record = await recordOf(stage);
  assert.equal(record?.failures, 1);
  assert.equal(record?.lastFailure?.code, 'ERR_AUTHORIZATION');
  assert.equal(record.notBefore.getTime() - record.lastFailure.at.getTime(), MINUTE_MS);
  for (const line of base64Lines(record?.legs[0]?.key ?? '')) assert.ok(!stage.events.text().includes(line));

  await stage.startResponder();
  const [early] = await stage.pass(certificates);
  stage.advance(MINUTE_MS);
  const [issued] = await stage.pass(certificates);

  assert.deepEqual([early?.result, issued?.result, issued?.reason], ['deferred', 'issued', 'retry']);
  const next = record.notBefore.toISOString();
  assert.deepEqual([failed?.failure?.attempts, failed?.failure?.nextAttempt], [1, next]);
  assert.deepEqual(early?.failure, failed?.failure, 'while it backs off, the reason is known');
  assert.equal(issued?.failure, undefined);
  assert.equal(stage.events.fieldsOf('certificate.deferred')[0]?.['code'], 'ERR_AUTHORIZATION');
  assert.equal(ordersAsked(stage), 2);
  assert.deepEqual(
    stage.events.fieldsOf('order.abandoned').map(({ status }) => status),
    ['invalid'],
  );
  assert.deepEqual(await stage.bucket.list('issuer/order/'), []);
});

test('another answer than ours at the challenge is named as such', async (t) => {
  const stage = await startStage(t);
  const solver = { ...http01Solver(stage.bucket), present: async () => undefined };

  const [failed] = await stage.pass(certificates, {}, { solvers: onlySolver(solver) });

  assert.match(
    failed?.error?.message ?? '',
    /unauthorized \(.*does HAProxy pass \/\.well-known\/acme-challenge\/ to the responder, and does that run \(pemfleet doctor\)/,
  );
});

test('one certificate that fails stops no other', async (t) => {
  const stage = await startStage(t);
  const solver = http01Solver(stage.bucket);
  const forgetful = {
    ...solver,
    present: (challenges: Parameters<typeof solver.present>[0]) =>
      solver.present(challenges.filter(({ identifier }) => !identifier.startsWith('bad'))),
  };

  const outcomes = await stage.pass(
    ['a.test', 'bad.test', 'c.test'].map((name) => ({ identifiers: [name] })),
    {},
    { solvers: onlySolver(forgetful) },
  );

  assert.deepEqual(
    outcomes.map(({ result }) => result),
    ['issued', 'failed', 'issued'],
  );
  assert.deepEqual(await stage.bucket.list('issuer/order/'), ['issuer/order/bad.test.json']);
});

test('an answer that cannot be removed is logged, and fails nothing', async (t) => {
  const stage = await startStage(t);
  const solver = { ...http01Solver(stage.bucket), cleanUp: () => Promise.reject(new Error('access denied')) };

  const [outcome] = await stage.pass(certificates, {}, { solvers: onlySolver(solver) });

  assert.equal(outcome?.result, 'issued');
  assert.deepEqual(
    stage.events.fieldsOf('challenge.leftover').map(({ error }) => error),
    ['access denied'],
  );
});

test('a CA that is gone in the middle fails with ERR_ACME_UNREACHABLE; the order and its key are kept', async (t) => {
  const stage = await startStage(t);
  const solver = http01Solver(stage.bucket);
  const ending = {
    ...solver,
    present: async (challenges: Parameters<typeof solver.present>[0]) => {
      await solver.present(challenges);
      await stage.pebble.stop();
    },
  };

  const [outcome] = await stage.pass(certificates, {}, { solvers: onlySolver(ending) });

  assert.equal(outcome?.error?.code, 'ERR_ACME_UNREACHABLE');
  const record = await recordOf(stage);
  assert.match(record?.legs[0]?.orderUrl ?? '', /^https:/);
  assert.equal(record?.failures, 1);
  assert.deepEqual(await stage.bucket.list(layout.order(named('a.test')).replace(/[^/]*$/, '')), [
    'issuer/order/a.test.json',
  ]);
});

test('out of time is no failure of the order: its answers stay for the CA, the next pass goes on at once', async (t) => {
  const stage = await startStage(t, { noSleep: false, retryAfter: { authz: 600, order: 600 } });
  const now = () => new Date();
  const timing = {
    now,
    deadline: new Date(Date.now() + 31_000),
    // Until the first look, and no more.
    sleep: async (ms: number) => assert.ok(ms <= 150, `slept ${ms} ms, beyond the deadline`),
  };

  const [late] = await stage.pass([{ identifiers: ['a.test'] }], {}, { timing });

  assert.equal(late?.error?.code, 'ERR_ACME_DEADLINE');
  const record = await recordOf(stage);
  assert.equal(record?.failures, 0);
  assert.equal((await stage.bucket.list('challenge/')).length, 1);
  assert.equal(record?.legs[0]?.presented.length, 1);
});
