// Failures of S3: each gives our code and names bucket and key, and the next try succeeds.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { codeOf, messageOf } from '#contract/errors.ts';
import { openBucket } from '#storage/open.ts';
import { openWithoutSdk } from '#storage/open-without-sdk.ts';
import { startAws } from '../../aws/aws.ts';
import { refusals } from '../../aws/faults.ts';
import { AwsFailure } from '../../aws/wire.ts';
import { interposed } from '../../support/bucket/interposed.ts';
import { setEnv } from '../../support/env.ts';
import { get, KEY, rows } from './s3-fault-rows.ts';

let skewMs = 0;
const aws = await startAws({ now: () => new Date(Date.now() + skewMs) });
after(aws.stop);
after(setEnv(aws.administrator.env));
aws.s3.createBucket('certs');

const openers = {
  SDK: (url: string) => openBucket(url),
  'without the SDK': async (url: string) =>
    interposed(await openBucket(url), await openWithoutSdk(url, process.env)),
};

for (const [kind, open] of Object.entries(openers)) {
  for (const { says, begin, code, message, use = get } of rows) {
    test(`S3, ${kind}: ${says}`, async () => {
      await (await open('s3://certs/fleet')).put(KEY, '{"kept":true}');
      const end = begin(aws);

      const failure = await open('s3://certs/fleet')
        .then(use)
        .then(
          () => undefined,
          (error: unknown) => error,
        );

      end();
      assert.equal(codeOf(failure), `ERR_BUCKET_${code}`, messageOf(failure));
      assert.match(messageOf(failure), message);
      assert.match(messageOf(failure), /^s3:\/\/certs\/fleet\//);
      const secret = aws.administrator.env['AWS_SECRET_ACCESS_KEY'] ?? 'no secret';
      assert.ok(!messageOf(failure).includes(secret));
      await use(await open('s3://certs/fleet'));
    });
  }
}

for (const [kind, open] of Object.entries(openers)) {
  test(`S3, ${kind}: every 409 on a conditional write is a lost race, on any other write it is a failure`, async () => {
    const bucket = await open('s3://certs/race');
    const key = 'issuer/a.json';
    const operationAborted = { refuse: new AwsFailure(409, 'OperationAborted', 'Please try again.') };
    for (const refusal of [
      refusals.conditionalRequestConflict(),
      refusals.concurrentModification(),
      operationAborted,
    ]) {
      const lift = aws.fault({ operation: 'PutObject', subject: `race/${key}` }, refusal);

      assert.equal(await bucket.put(key, '{}', { ifNoneMatch: '*' }), 'precondition-failed');
      assert.equal(await bucket.put(key, '{}', { ifMatch: '"1"' }), 'precondition-failed');
      await assert.rejects(bucket.put(key, '{}'), { code: 'ERR_BUCKET_IO' });
      lift();
    }
  });
}

test('S3: a clock that is an hour off', async () => {
  skewMs = 3_600_000;
  const read = await (await openBucket('s3://certs')).get(KEY).then(
    () => 'read',
    (error: unknown) => codeOf(error),
  );
  skewMs = 0;

  // The SDK takes the difference from the refusal and signs again.
  assert.ok(read === 'read' || read === 'ERR_BUCKET_CLOCK', read);
});

test('S3, without the SDK: a host whose clock is a day off reads and reports, signed by the time of the store', async () => {
  skewMs = 24 * 3_600_000;
  const bucket = await openWithoutSdk('s3://certs', process.env);
  await bucket.put(KEY, '{"reported":true}');
  const read = await bucket.get(KEY);
  const apartMs = (bucket.answeredAt?.getTime() ?? 0) - Date.now();
  skewMs = 0;
  const later = await bucket.get(KEY);

  assert.equal(read?.body.toString(), '{"reported":true}');
  assert.ok(Math.abs(apartMs - 24 * 3_600_000) < 60_000, `${apartMs}`);
  assert.equal(later?.etag, read?.etag, 'and when the clock is right again');
});

test('S3: no such bucket', async () => {
  const failure = await (await openBucket('s3://nowhere')).get(KEY).catch((error: unknown) => error);

  assert.equal(codeOf(failure), 'ERR_BUCKET_MISSING');
});

for (const url of [
  's3://',
  's3://UPPER',
  's3://a',
  's3://certs?nope=1',
  's3://certs?path-style=yes',
  's3://certs?writer=*',
  's3://certs?endpoint=localhost',
]) {
  test(`S3: ${url} is no address`, async () => {
    const failure = await openBucket(url).catch((error: unknown) => error);

    assert.equal(codeOf(failure), 'ERR_BUCKET_URL', messageOf(failure));
  });
}
