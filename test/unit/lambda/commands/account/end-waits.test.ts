import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DAY_MS } from '#common/time.ts';
import { endAccountWaits } from '../../../../../lambda/commands/account/end-waits.ts';
import { orderFailureOf } from '../../../../../lambda/order/back-off.ts';
import { createOrderRecord, readOrderRecords } from '../../../../../lambda/order/record.ts';
import { decide } from '../../../../../lambda/pass/due.ts';
import { memoryBucket } from '../../../../support/bucket/memory-bucket.ts';
import { after, noon } from '../../../../support/clock.ts';
import { DIRECTORY_URL, makeDueInput, makeRecord, named } from '../../../../support/issuer/documents.ts';

test('after account --new, what failed by the old account is tried by the next pass, and says nothing of it any more', async () => {
  const bucket = memoryBucket(() => noon);
  const failed = (code: string, directoryUrl = DIRECTORY_URL) =>
    makeRecord({
      ...{ directoryUrl, failures: 4, notBefore: after(noon, DAY_MS) },
      lastFailure: { at: noon, code, message: 'our account is refused', isCaFault: false, isPolicy: true },
    });
  await createOrderRecord(bucket, named('a.test'), failed('ERR_ACME_ACCOUNT'));
  await createOrderRecord(bucket, named('b.test'), failed('ERR_AUTHORIZATION'));
  await createOrderRecord(bucket, named('c.test'), failed('ERR_ACME_ACCOUNT', 'https://other.test/dir'));
  const decided = async (name: string) => {
    const record = (await readOrderRecords(bucket)).records.get(name)?.record;
    assert.ok(record);
    const { action, reason } = decide(makeDueInput({ published: undefined, record }));
    return [action, reason, orderFailureOf(record, undefined, noon)?.message];
  };
  const waits = ['defer', 'backing-off', 'our account is refused'];
  assert.deepEqual(await decided('a.test'), waits);

  assert.equal(await endAccountWaits(bucket, DIRECTORY_URL, noon), 1);

  assert.deepEqual(await decided('a.test'), ['resume', 'order-in-flight', undefined]);
  assert.deepEqual(await decided('b.test'), waits);
});
