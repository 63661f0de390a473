import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { DAY_MS, MINUTE_MS } from '#common/time.ts';
import { BucketError, codeOf, PemRejected } from '#contract/errors.ts';
import { layout } from '#contract/layout.ts';
import {
  AcmeDeadline,
  AcmeProblem,
  AuthorizationFailed,
  NoAcmeAnswer,
} from '../../../../lambda/acme/problem.ts';
import { afterFailure, nextAttempt } from '../../../../lambda/order/back-off.ts';
import { legsOf } from '../../../../lambda/order/leg.ts';
import {
  createOrderRecord,
  deleteOrderRecord,
  readOrderRecords,
  saveOrderRecord,
} from '../../../../lambda/order/record.ts';
import { ClockDiffers } from '../../../../lambda/order/verify-issued.ts';
import { memoryBucket } from '../../../support/bucket/memory-bucket.ts';
import { after, noon } from '../../../support/clock.ts';
import { makeRecord, named } from '../../../support/issuer/documents.ts';

const name = named('api.example.com');
const unreachable = new NoAcmeAnswer('POST https://ca.test/order: ECONNRESET');
const minutesUntil = (time: Date | undefined) => ((time?.getTime() ?? 0) - noon.getTime()) / MINUTE_MS;

const refused = new AuthorizationFailed('api.example.com', 'authorization is invalid');
for (const [whose, error, minutesByFailures] of [
  ['the operator can mend', refused, [1, 10, 100, 1440, 1440]],
  // It costs no failed validation, and a day would be long for a certificate of six.
  ["is the CA's own fault", unreachable, [1, 10, 100, 100, 100]],
] as const) {
  test(`a failure that ${whose}: next attempt after ${minutesByFailures} minutes, or up to a fifth more`, () => {
    for (const [before, minutes] of minutesByFailures.entries()) {
      const record = makeRecord({ failures: before });
      const waits = [0, 0.5, 0.999999].map((random) =>
        minutesUntil(afterFailure(record, error, noon, random).notBefore),
      );

      assert.equal(waits[0], minutes);
      assert.equal(waits[1]?.toFixed(3), (minutes * 1.1).toFixed(3));
      assert.ok((waits[2] ?? 0) > minutes * 1.19 && (waits[2] ?? 0) < minutes * 1.2);
      assert.equal(afterFailure(record, error, noon, 0).failures, before + 1);
    }
  });
}

test('what failed is remembered: when, its code, its message and the messages of its causes', () => {
  const error = new NoAcmeAnswer('POST https://ca.test/order: ECONNRESET', {
    cause: new Error('socket\nhang up'),
  });

  const { lastFailure } = afterFailure(makeRecord(), error, noon, 0);

  assert.deepEqual(lastFailure, {
    at: noon,
    code: 'ERR_ACME_UNREACHABLE',
    message: 'POST https://ca.test/order: ECONNRESET: socket hang up',
    isCaFault: true,
  });
});

const limited = (minutes: number) =>
  new AcmeProblem({ type: 'urn:ietf:params:acme:error:rateLimited' }, 429, after(noon, minutes * MINUTE_MS));

test('the Retry-After of the CA wins where it is later, and only there', () => {
  const next = (minutes: number) =>
    minutesUntil(afterFailure(makeRecord({ failures: 1 }), limited(minutes), noon, 0).notBefore);

  assert.deepEqual([next(180), next(10.5), next(3), next(-60)], [180, 10.5, 10, 10]);
});

test('a CA that puts a certificate off for days has failed it: the time counts, however the CA says it', () => {
  const days = after(noon, 31 * DAY_MS);
  const errors = [limited(31 * 24 * 60), new AcmeDeadline('authorization is not done yet', days)];
  for (const error of errors) {
    const { failures, lastFailure } = afterFailure(makeRecord(), error, noon, 0);
    assert.deepEqual([failures, lastFailure?.isCaFault], [1, true], error.name);
  }
});

test('no CA is obeyed longer than its slowest limit takes', () => {
  const put = (minutes: number) => {
    const change = afterFailure(makeRecord(), limited(minutes), noon, 0);
    return minutesUntil(nextAttempt({ ...makeRecord(), ...change }, undefined, noon)) / 60;
  };

  assert.deepEqual([put(34 * 60), put(31 * 24 * 60)], [34, 36]);
});

test('a certificate that cannot be used is what another CA may do better, unless our clock refuses it', () => {
  const refused = new PemRejected('ERR_PEM_KEY_MISMATCH', 'the key does not belong to the leaf');
  const policyOf = (error: Error) => afterFailure(makeRecord(), error, noon, 0).lastFailure?.isPolicy;

  assert.equal(policyOf(refused), true);
  assert.equal(policyOf(new ClockDiffers(refused, noon, after(noon, DAY_MS))), undefined);
});

test('an account that the CA loses once is registered again; one that it loses again is a refusal', () => {
  const unknown = new AcmeProblem({ type: 'urn:ietf:params:acme:error:accountDoesNotExist' }, 400);
  const first = { ...makeRecord(), ...afterFailure(makeRecord(), unknown, noon, 0) };
  const second = afterFailure(first, unknown, noon, 0);

  assert.deepEqual([first.failures, first.notBefore, first.lastFailure?.isPolicy], [0, noon, undefined]);
  assert.deepEqual([second.failures, second.lastFailure?.isPolicy], [1, true]);
  assert.equal(minutesUntil(second.notBefore), 1);
});

test('a pass that ran out of time is no failure: the next one goes on at once', () => {
  const change = afterFailure(makeRecord(), new AcmeDeadline('order is not done yet'), noon, 0.9);

  assert.equal(change.failures, 0);
  assert.deepEqual(change.notBefore, noon);
  assert.equal(change.lastFailure?.code, 'ERR_ACME_DEADLINE');
});

test('a pass that ran out of time keeps to the Retry-After of the CA', () => {
  const change = afterFailure(
    makeRecord(),
    new AcmeDeadline('order is not done yet', after(noon, 7_000)),
    noon,
    0,
  );

  assert.deepEqual(change.notBefore, after(noon, 7_000));
});

test('a PEM that was refused is looked at once more, then its order is spent', () => {
  const refused = new PemRejected('ERR_PEM_VALIDITY', 'certificate 1 is not yet valid');
  const orderUrl = 'https://ca.test/order/1';

  const first = afterFailure(makeRecord({ orderUrl }), refused, noon, 0);
  const second = afterFailure(makeRecord({ orderUrl, failures: 1 }), refused, noon, 0);

  assert.equal(first.legs?.[0]?.orderUrl, orderUrl);
  assert.equal(second.legs?.[0]?.orderUrl, undefined);
});

test('no other failure spends the order', () => {
  const record = makeRecord({ orderUrl: 'https://ca.test/order/1', failures: 5 });

  for (const error of [
    unreachable,
    limited(1),
    new AuthorizationFailed('a.test', 'authorization is invalid'),
    new TypeError('a bug'),
  ]) {
    assert.deepEqual(afterFailure(record, error, noon, 0).legs, record.legs, error.name);
  }
});

test('a record is read as it was written, and is what a v1 looks like', async () => {
  const bucket = memoryBucket();
  const golden = readFileSync('test/unit/lambda/contract/golden/order-v1.json', 'utf8');
  await bucket.put(layout.order(name), golden);

  const stored = (await readOrderRecords(bucket)).records.get(name);
  assert.ok(stored);
  await saveOrderRecord(bucket, stored, {});

  assert.deepEqual(stored.record.lastFailure?.at, new Date('2026-11-22T12:00:30.000Z'));
  assert.deepEqual(JSON.parse(bucket.text(layout.order(name)) ?? ''), JSON.parse(golden));
});

test('fields of a newer version survive a change', async () => {
  const bucket = memoryBucket();
  const stored = await createOrderRecord(bucket, name, { ...makeRecord(), fromTheFuture: { deep: 1 } });

  await saveOrderRecord(bucket, stored, { failures: 1 });

  const read = (await readOrderRecords(bucket)).records.get(name);
  assert.deepEqual(read?.record['fromTheFuture'], { deep: 1 });
  assert.equal(read?.record.failures, 1);
});

test('a record is created once, and saved only by the pass that read it last', async () => {
  const bucket = memoryBucket();
  const mine = await createOrderRecord(bucket, name, makeRecord());
  const theirs = (await readOrderRecords(bucket)).records.get(name);
  assert.ok(theirs);
  await legsOf(bucket, theirs, ['http-01'])[0]?.save({ orderUrl: 'https://ca.test/order/1' });

  const conflict = { name: BucketError.name, code: 'ERR_BUCKET_CONFLICT', key: layout.order(name) };
  await assert.rejects(createOrderRecord(bucket, name, makeRecord()), conflict);
  await assert.rejects(saveOrderRecord(bucket, mine, { failures: 1 }), conflict);

  assert.equal(mine.record.failures, 0, 'what could not be saved was not changed here either');
  await saveOrderRecord(bucket, theirs, { failures: 2 });
  assert.equal((await readOrderRecords(bucket)).records.get(name)?.record.failures, 2);
});

test('nothing in flight costs one listing; a record that vanishes meanwhile is no record', async () => {
  const bucket = memoryBucket();

  assert.equal((await readOrderRecords(bucket)).records.size, 0);
  assert.deepEqual(bucket.calls, ['list issuer/order/']);

  await createOrderRecord(bucket, name, makeRecord());
  const vanishing = { ...bucket, get: async () => undefined };
  assert.equal((await readOrderRecords(vanishing)).records.size, 0);
  await deleteOrderRecord(bucket, name);
  await deleteOrderRecord(bucket, name);
  assert.deepEqual(await bucket.list(layout.orders), []);
});

const key =
  '-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg\n-----END PRIVATE KEY-----\n';
const valid = JSON.stringify(makeRecord({ key }));

for (const [says, text] of [
  ['is cut', valid.slice(0, -20)],
  ['is cut within the key', valid.slice(0, valid.indexOf('MIGH') + 20)],
  ['is of another version', valid.replace('"version":1', '"version":2')],
  ['lacks a field', valid.replace('"directoryUrl"', '"directory"')],
  ['is a key', key],
] as const) {
  test(`a record that ${says} is refused with ERR_ORDER_RECORD by its key in the bucket, without its content`, async () => {
    const bucket = memoryBucket();
    await bucket.put(layout.order(name), text);

    const { records, unreadable } = await readOrderRecords(bucket);

    const error = unreadable.get(name);
    assert.equal(records.size, 0);
    assert.equal(codeOf(error), 'ERR_ORDER_RECORD');
    assert.match(
      error?.message ?? '',
      /^issuer\/order\/api\.example\.com\.json: is no order record .*move it away/,
    );
    assert.doesNotMatch(`${error?.stack} ${error?.cause}`, /MIGH|PRIVATE/);
  });
}
