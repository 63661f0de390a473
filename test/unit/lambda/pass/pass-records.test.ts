/** What a pass does with the order records that it finds, without a CA. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ContractError } from '#contract/errors.ts';
import { layout } from '#contract/layout.ts';
import { AcmeProblem } from '../../../../lambda/acme/problem.ts';
import { legsOf } from '../../../../lambda/order/leg.ts';
import { createOrderRecord, readOrderRecords } from '../../../../lambda/order/record.ts';
import { memoryBucket } from '../../../support/bucket/memory-bucket.ts';
import { after, noon } from '../../../support/clock.ts';
import { DIRECTORY_URL, fleet, makeEntry, makeRecord, named } from '../../../support/issuer/documents.ts';
import { passOver, publishEntry, unreachableCa } from '../../../support/issuer/pass.ts';

test('a CA out of reach counts as a failure of an order that is in flight, and keeps its key', async () => {
  const bucket = memoryBucket();
  await createOrderRecord(bucket, named('a.test'), makeRecord({ orderUrl: 'https://ca.test/order/1' }));

  await passOver(bucket).run([{ identifiers: ['a.test'] }]);

  const record = (await readOrderRecords(bucket)).records.get('a.test')?.record;
  assert.equal(record?.failures, 1);
  assert.deepEqual(record?.notBefore, after(noon, 60_000));
  assert.equal(record?.legs[0]?.orderUrl, 'https://ca.test/order/1');
});

test('records of certificates that are configured no more are forgotten, with the answers they had presented', async () => {
  const bucket = memoryBucket();
  const token = 'DGyRejmCefe7v4NfDGDKfA';
  await publishEntry(bucket, 'a.test');
  const stored = await createOrderRecord(
    bucket,
    named('gone.test'),
    makeRecord({ identifiers: ['gone.test'] }),
  );
  await legsOf(bucket, stored, ['http-01'])[0]?.save({
    presented: [{ identifier: 'gone.test', token, keyAuthorization: `${token}.x` }],
  });
  await bucket.put(layout.challenge(token), `${token}.x`);
  const { run, events } = passOver(bucket);

  await run([{ identifiers: ['a.test'] }]);

  assert.deepEqual(await bucket.list('issuer/'), [
    layout.history(fleet, named('a.test')),
    layout.tombstones(fleet),
  ]);
  assert.deepEqual(await bucket.list('challenge/'), []);
  assert.ok(events.names().includes('order.abandoned gone.test'));
});

test('a record of another CA, of other names or of before a replacement ends when it is no longer wanted, and with it its failure', async () => {
  for (const changes of [
    { directoryUrl: 'https://former.test/directory' },
    { identifiers: ['a.test', 'b.test'] },
  ]) {
    const bucket = memoryBucket();
    await publishEntry(bucket, 'a.test');
    const lastFailure = { at: noon, code: 'ERR_CA_UNTRUSTED', message: '', isCaFault: false };
    await createOrderRecord(bucket, named('a.test'), makeRecord({ ...changes, failures: 2, lastFailure }));
    const { run, events } = passOver(bucket);

    const [planned] = await run([{ identifiers: ['a.test'] }], { dryRun: true });
    const [kept] = await run([{ identifiers: ['a.test'] }]);

    assert.deepEqual([planned?.result, kept?.result, kept?.failure], ['kept', 'kept', undefined]);
    assert.deepEqual(await bucket.list(layout.orders), []);
    assert.equal(events.names().filter((name) => name === 'order.abandoned a.test').length, 1);
  }
});

test('a pass over some certificates only leaves the records of the others alone', async () => {
  const bucket = memoryBucket();
  await publishEntry(bucket, 'a.test');
  await createOrderRecord(bucket, named('gone.test'), makeRecord());

  const outcomes = await passOver(bucket).run([{ identifiers: ['a.test'] }, { identifiers: ['b.test'] }], {
    only: [named('a.test')],
  });

  assert.deepEqual(
    outcomes.map(({ certificate }) => certificate),
    ['a.test'],
  );
  assert.deepEqual(await bucket.list(layout.orders), [layout.order(named('gone.test'))]);
});

test('a record that cannot be read fails its certificate with ERR_ORDER_RECORD, stays, and stops no other', async () => {
  const bucket = memoryBucket();
  const key = layout.order(named('a.test'));
  await bucket.put(key, '{"version":9}');
  await publishEntry(bucket, 'b.test', makeEntry({ identifiers: ['b.test'] }));
  const { run, events } = passOver(bucket);

  const [broken, other] = await run([{ identifiers: ['a.test'] }, { identifiers: ['b.test'] }]);

  assert.deepEqual([broken?.result, broken?.reason, other?.result], ['failed', 'unreadable', 'kept']);
  assert.equal(broken?.error?.code, 'ERR_ORDER_RECORD');
  assert.match(broken?.error?.message ?? '', /^issuer\/order\/a\.test\.json: /);
  assert.equal(bucket.text(key), '{"version":9}');
  assert.ok(events.names().includes('certificate.failed a.test'));
});

test('what fails before is not tried before its time, unless it is forced', async () => {
  const bucket = memoryBucket();
  await createOrderRecord(bucket, named('a.test'), makeRecord({ failures: 2, notBefore: after(noon, 1) }));
  const { run, events } = passOver(bucket);

  const [deferred] = await run([{ identifiers: ['a.test'] }]);
  const [forced] = await run([{ identifiers: ['a.test'] }], { force: true });

  assert.deepEqual([deferred?.result, deferred?.until], ['deferred', after(noon, 1).toISOString()]);
  assert.deepEqual([forced?.result, forced?.reason], ['failed', 'retry']);
  assert.ok(events.names().includes('certificate.deferred a.test'));
});

test('what is postponed gives all its orders back, whatever an earlier record has placed', async () => {
  const bucket = memoryBucket();
  const placed = makeRecord({ identifiers: ['old.test'], orderUrl: 'https://ca.test/order/1' });
  await createOrderRecord(bucket, named('a.test'), placed);
  const { run, clock } = passOver(bucket);
  clock.deadline = after(noon, 10_000);

  const [outcome] = await run([{ name: 'a.test', identifiers: ['new.test'] }]);

  assert.deepEqual([outcome?.result, outcome?.reason], ['postponed', 'out-of-time']);
  const { cas } = JSON.parse(bucket.text(layout.caState) ?? '{"cas":{}}');
  assert.deepEqual(
    Object.values<{ orders: object[] }>(cas).flatMap(({ orders }) => orders),
    [],
  );
});

test('a broken account record is no failure of the order that waits for it', async () => {
  const bucket = memoryBucket();
  const waiting = makeRecord({ orderUrl: 'https://ca.test/order/1' });
  await createOrderRecord(bucket, named('a.test'), waiting);
  const before = bucket.text(layout.order(named('a.test')));
  const broken = () =>
    Promise.reject(new ContractError('ERR_ACCOUNT_RECORD', 'issuer/account/ca.json', 'broken'));
  const ca = { ...unreachableCa(), account: broken };

  const [outcome] = await passOver(bucket, { cas: new Map([[DIRECTORY_URL, ca]]) }).run([
    { identifiers: ['a.test'] },
  ]);

  assert.equal(outcome?.error?.code, 'ERR_ACCOUNT_RECORD');
  assert.equal(bucket.text(layout.order(named('a.test'))), before);
});

test('an account that the CA has lost is forgotten, so that the next pass registers it again', async () => {
  const bucket = memoryBucket();
  const forgotten: string[] = [];
  const lost = new AcmeProblem({ type: 'urn:ietf:params:acme:error:accountDoesNotExist' }, 400);
  const ca = {
    ...unreachableCa(),
    account: () => Promise.reject(lost),
    forgetAccount: async () => void forgotten.push(DIRECTORY_URL),
  };

  const [outcome] = await passOver(bucket, { cas: new Map([[DIRECTORY_URL, ca]]) }).run([
    { identifiers: ['a.test'] },
  ]);

  assert.equal(outcome?.error?.code, 'ERR_ACME_PROBLEM');
  assert.deepEqual(forgotten, [DIRECTORY_URL]);
});
