/** What can be made to go wrong, seen by the real client. */
import assert from 'node:assert/strict';
import { Agent } from 'node:http';
import type { LookupFunction } from 'node:net';
import { test } from 'node:test';
import { GetObjectCommand, PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { refusals } from './aws.ts';
import { refusalOf, s3Of, startBench } from './clients.ts';
import type { Fault } from './faults.ts';

const Bucket = 'certs';
const put = (s3: S3Client, Key: string) => s3.send(new PutObjectCommand({ Bucket, Key, Body: 'hello' }));
const get = async (s3: S3Client, Key: string) => {
  const { Body } = await s3.send(new GetObjectCommand({ Bucket, Key }));
  return Body?.transformToString();
};

test('faults', async (t) => {
  const aws = await startBench(t);
  aws.s3.createBucket(Bucket);
  const s3 = s3Of(aws);
  const requestHandler = { requestTimeout: 300, throwOnRequestTimeout: true };
  const impatient = s3Of(aws, aws.administrator, { requestHandler });
  await put(s3, 'a');
  const isWritten = (key: string) => aws.s3.keys(Bucket).includes(key);

  for (const [name, fault, ask, expected, written] of [
    ['SlowDown', refusals.slowDown(), put, '503 SlowDown', false],
    ['500', refusals.internalError(), put, '500 InternalError', false],
    ['a conflict', refusals.conditionalRequestConflict(), put, '409 ConditionalRequestConflict', false],
    ['a conflict in Ceph', refusals.concurrentModification(), put, '409 ConcurrentModification', false],
    ['KMS denied', refusals.kmsDenied(), get, '403 AccessDenied', true],
    ['KMS key disabled', refusals.kmsDisabled(), get, '400 KMS.DisabledException', true],
    ['reset before', { before: 'reset' }, put, '- ECONNRESET', false],
    ['hang', { before: 'hang' }, put, '- ETIMEDOUT', false],
    ['the answer is lost', { wire: 'reset' }, put, '- ECONNRESET', true],
    ['reset in the body', { wire: 'reset-in-body' }, get, '- ECONNRESET', true],
    ['truncated', { wire: 'truncate' }, get, '- ECONNRESET', true],
    ['another body than the checksum is of', 'corrupt-body', get, '- Error', true],
  ] as [string, Fault, typeof put, string, boolean][]) {
    await t.test(name, async () => {
      const key = ask === (get as unknown) ? 'a' : name;
      const lift = aws.fault({ service: 's3', subject: key, times: 1 }, fault);
      assert.equal(await refusalOf(ask(name === 'hang' ? impatient : s3, key)), expected);
      lift();
      assert.equal(isWritten(key), written);
    });
  }

  await t.test('only where and as often as it was said', async () => {
    aws.fault({ operation: 'PutObject', subject: /^c/, after: 1, times: 1 }, refusals.slowDown());

    await put(s3, 'b');
    await put(s3, 'c1');
    assert.equal(await refusalOf(put(s3, 'c2')), '503 SlowDown');
    await put(s3, 'c2');
    aws.fault({ operation: 'PutObject' }, refusals.slowDown());
    assert.equal(await refusalOf(put(s3, 'd')), '503 SlowDown');
    aws.clearFaults();
    await put(s3, 'd');
  });
});

test('a bucket in the name of the host', async (t) => {
  const aws = await startBench(t);
  aws.s3.createBucket(Bucket);
  const lookup: LookupFunction = (_name, _options, done) => done(null, [{ address: '127.0.0.1', family: 4 }]);
  const endpoint = aws.endpoint.replace('127.0.0.1', 's3.localhost');
  const httpAgent = new Agent({ lookup });
  const s3 = s3Of(aws, aws.administrator, { endpoint, requestHandler: { httpAgent } });

  await put(s3, 'a/b');

  assert.deepEqual(aws.s3.keys(Bucket), ['a/b']);
  httpAgent.destroy();
});
