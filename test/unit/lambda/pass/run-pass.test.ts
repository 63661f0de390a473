/** What a pass does before and without a CA. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DAY_MS, HOUR_MS } from '#common/time.ts';
import { fleetName, layout } from '#contract/layout.ts';
import { NoAcmeAnswer } from '../../../../lambda/acme/problem.ts';
import type { Transport } from '../../../../lambda/acme/transport.ts';
import { type Cas, openCa } from '../../../../lambda/ca/ca.ts';
import { createOrderRecord } from '../../../../lambda/order/record.ts';
import { runPass } from '../../../../lambda/pass/run-pass.ts';
import { type MemoryBucket, memoryBucket } from '../../../support/bucket/memory-bucket.ts';
import { after, fakeClock, noon } from '../../../support/clock.ts';
import {
  DIRECTORY_URL,
  fleet,
  makeConfig,
  makeEntry,
  makePemRef,
  makeRecord,
  named,
} from '../../../support/issuer/documents.ts';
import { passOver, publishEntry } from '../../../support/issuer/pass.ts';

const writes = (bucket: MemoryBucket) => bucket.calls.filter((call) => /^(put|delete)/.test(call));

test('nothing due: said so, nothing is written, and the requests are constant', async () => {
  const bucket = memoryBucket();
  const names = Array.from({ length: 20 }, (_, index) => `n${index}.test`);
  for (const name of names) await publishEntry(bucket, name, makeEntry({ identifiers: [name] }));
  const before = bucket.calls.length;
  const { run, events } = passOver(bucket);

  const outcomes = await run(names.map((name) => ({ identifiers: [name] })));

  assert.deepEqual(new Set(outcomes.map(({ result }) => result)), new Set(['kept']));
  assert.equal(outcomes[0]?.until, after(noon, 60 * DAY_MS).toISOString());
  assert.deepEqual(bucket.calls.slice(before), [
    `get ${layout.hostSummaries}`,
    `list ${layout.allTombstones}`,
    `folders ${layout.publishedFleets}`,
    `get ${layout.manifest(fleet)}`,
    `get ${layout.root(fleet)}`,
    `list ${layout.orders}`,
    `get ${layout.tombstones(fleet)}`,
    `list ${layout.published(fleet)}`,
    `get ${layout.caState}`,
    `list ${layout.revocations}`,
    `list ${layout.holds}`,
    `get ${layout.replacements}`,
    `get ${layout.renewalInfo}`,
  ]);
  assert.deepEqual(
    events.names().filter((name) => !name.startsWith('certificate.kept')),
    // The windows are asked for, and the CA is out of reach.
    ['run.started', 'renewal-info.failed', 'run.finished'],
  );
});

test('a dry run says what it would do, and writes nothing', async () => {
  const bucket = memoryBucket();
  await publishEntry(bucket, 'kept.test', makeEntry({ identifiers: ['kept.test'] }));
  await createOrderRecord(
    bucket,
    named('waiting.test'),
    makeRecord({ identifiers: ['waiting.test'], failures: 1, notBefore: after(noon, 1) }),
  );
  await createOrderRecord(bucket, named('gone.test'), makeRecord());
  const before = writes(bucket).length;

  const outcomes = await passOver(bucket).run(
    [{ identifiers: ['new.test'] }, { identifiers: ['kept.test'] }, { identifiers: ['waiting.test'] }],
    { dryRun: true },
  );

  assert.deepEqual(
    outcomes.map(({ result, reason }) => `${result}: ${reason}`),
    ['planned: missing', 'kept: fresh', 'deferred: backing-off'],
  );
  assert.equal(writes(bucket).length, before);
});

for (const [says, storeMs, offset] of [
  ['a day ahead of the store', -DAY_MS, '24 h ahead'],
  ['a day behind the store', DAY_MS, '24 h behind'],
  ['right', 0, undefined],
] as const) {
  test(`a pass on a machine whose clock is ${says} ${offset === undefined ? 'says nothing of it' : 'says so'}`, async () => {
    const bucket = { ...memoryBucket(), answeredAt: after(noon, storeMs) };
    await publishEntry(bucket, 'kept.test', makeEntry({ identifiers: ['kept.test'] }));
    const { run, events } = passOver(bucket);

    await run([{ identifiers: ['kept.test'] }], { dryRun: true });

    assert.deepEqual(
      events.fieldsOf('clock.off').map((fields) => fields['offset']),
      offset === undefined ? [] : [offset],
    );
  });
}

test('a CA out of reach fails what is due with ERR_ACME_UNREACHABLE, keeps the rest, and leaves no order record', async () => {
  const bucket = memoryBucket();
  await publishEntry(bucket, 'kept.test', makeEntry({ identifiers: ['kept.test'] }));
  const { run, events } = passOver(bucket);

  const outcomes = await run([{ identifiers: ['new.test'] }, { identifiers: ['kept.test'] }]);

  assert.deepEqual(
    outcomes.map(({ result }) => result),
    ['failed', 'kept'],
  );
  assert.deepEqual(outcomes[0]?.error, {
    code: 'ERR_ACME_UNREACHABLE',
    message: 'GET https://ca.test/directory: ECONNREFUSED',
  });
  assert.deepEqual(await bucket.list('issuer/order/'), []);
  assert.ok(events.names().includes('certificate.failed new.test'));
  assert.deepEqual(events.fieldsOf('run.finished'), [{ issued: 0, failed: 1, deferred: 0 }]);
});

test('the account is opened once, however many certificates are due', async () => {
  let opened = 0;
  const cas = casWith(async () => {
    opened += 1;
    throw new NoAcmeAnswer('down');
  });

  await passOver(memoryBucket(), { cas }).run(
    ['a', 'b', 'c'].map((name) => ({ identifiers: [`${name}.test`] })),
  );

  assert.equal(opened, 1);
});

test('below half a minute no order is started; the next pass does it', async () => {
  const cas = casWith(() => assert.fail('asked the CA'));
  const starting = (ms: number) =>
    passOver(memoryBucket(), { cas, timing: fakeClock(noon, ms) }).run([{ identifiers: ['a.test'] }]);

  assert.deepEqual(
    (await starting(29_999)).map(({ result }) => result),
    ['postponed'],
  );
  assert.deepEqual(
    (await starting(30_000)).map(({ result }) => result),
    ['failed'],
  );
});

test('a certificate that one fleet lacks is published there without an order; its failure stops no other', async () => {
  const bucket = memoryBucket();
  await publishEntry(bucket, 'a.test');
  const { run } = passOver(bucket);

  const outcomes = await run([
    { identifiers: ['a.test'], fleets: ['default', 'other'] },
    { identifiers: ['b.test'] },
  ]);

  assert.deepEqual(
    outcomes.map(({ result, error }) => [result, error?.code]),
    [
      ['failed', 'ERR_BUCKET_IO'],
      ['failed', 'ERR_ACME_UNREACHABLE'],
    ],
  );
  assert.equal(bucket.text(layout.root(fleetName.parse('other'))), undefined);
});

/** The configured CA, over a transport of the test's own. */
function casWith(exchange: Transport): Cas {
  const { acme: settings } = makeConfig([{ identifiers: ['a.test'] }]);
  const bucket = memoryBucket();
  return new Map([[DIRECTORY_URL, openCa({ bucket, settings, exchange, now: () => noon })]]);
}

/** Two published certificates, and one that is not there, of which the budget lets some be ordered. */
async function passWithBudget(ordersPer3Hours: number) {
  const bucket = memoryBucket();
  for (const [name, hours] of Object.entries({ 'later.test': 50, 'sooner.test': 40 })) {
    const pems = [makePemRef({ notAfter: after(noon, hours * HOUR_MS).toISOString() })];
    await publishEntry(bucket, name, makeEntry({ identifiers: [name], pems }));
  }
  const timing = fakeClock(after(noon, 30 * HOUR_MS));
  const pass = passOver(bucket, { timing }).passFor(
    ['later.test', 'new.test', 'sooner.test'].map((name) => ({ identifiers: [name] })),
  );
  return runPass({ ...pass, config: { ...pass.config, ordersPer3Hours } });
}

test('of two renewals beyond the budget, the one that ends first is placed', async () => {
  const { outcomes } = await passWithBudget(1);

  assert.deepEqual(
    outcomes.map(({ certificate, reason }) => [certificate, reason]),
    [
      ['later.test', 'order-budget'],
      ['new.test', 'order-budget'],
      ['sooner.test', 'lifetime'],
    ],
  );
});

test('orders beyond the budget wait: renewals go before first issues', async () => {
  const { outcomes } = await passWithBudget(2);

  assert.equal(outcomes[1]?.heldBackBy, '2 new orders of the account in 3 h');
  assert.deepEqual(
    outcomes.map(({ certificate, result, reason }) => [certificate, result, reason]),
    [
      ['later.test', 'failed', 'lifetime'],
      ['new.test', 'deferred', 'order-budget'],
      ['sooner.test', 'failed', 'lifetime'],
    ],
  );
});

test('passes that come too rarely for a published certificate are told of, with the figure', async () => {
  const bucket = memoryBucket();
  const pem = makePemRef({ notAfter: after(noon, 3 * HOUR_MS).toISOString() });
  await publishEntry(bucket, 'a.test', makeEntry({ pems: [pem] }));
  const { passFor, events } = passOver(bucket);

  const { wakeProblem } = await runPass(passFor([{ identifiers: ['a.test'] }], { dryRun: true }));

  assert.deepEqual(
    [wakeProblem?.certificate, wakeProblem?.wakeMinutes, wakeProblem?.fittingMinutes],
    ['a.test', 30, 7],
  );
  assert.equal(events.fieldsOf('schedule.rare')[0]?.['fittingMinutes'], 7);
});
