// The same suite as the directory's, over a store that is as strict as S3; and what only S3 can do to us.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { codeOf, messageOf } from '#contract/errors.ts';
import { openBucket } from '#storage/open.ts';
import { openWithoutSdk } from '#storage/open-without-sdk.ts';
import { startAws } from '../../aws/aws.ts';
import { bucketSuite } from '../../support/bucket/bucket-suite.ts';
import { increment } from '../../support/bucket/increment.ts';
import { interposed } from '../../support/bucket/interposed.ts';
import { bucketProcessesSuite } from '../../support/bucket/processes-suite.ts';
import { setEnv } from '../../support/env.ts';

let count = 0;
const aws = await startAws();
after(aws.stop);
after(setEnv(aws.administrator.env));

/** Every second bucket is used below a prefix: it must make no difference. */
async function makeUrl(): Promise<string> {
  count += 1;
  aws.s3.createBucket(`bucket-${count}`);
  return `s3://bucket-${count}${count % 2 === 0 ? '/some/prefix' : ''}`;
}

bucketSuite('S3 bucket', async () => openBucket(await makeUrl()));
// The SDK's does what it has no verb for: the two see the same objects.
bucketSuite('S3 bucket without the SDK', async () => {
  const url = await makeUrl();
  return interposed(await openBucket(url), await openWithoutSdk(url, process.env));
});
bucketProcessesSuite('S3 bucket', makeUrl, () => aws.administrator.env);

test('thirty writers racing for one object: no update is lost', async () => {
  const url = await makeUrl();
  const buckets = await Promise.all(Array.from({ length: 30 }, () => openBucket(url)));

  await Promise.all(buckets.map((bucket) => increment(bucket, 'published/default/manifest.json')));

  const read = await buckets[0]?.get('published/default/manifest.json');
  assert.equal(read?.body.toString(), '30');
});

test('a prefix is a wall: a listing shows nothing of other prefixes, and keys without the prefix', async () => {
  aws.s3.createBucket('shared');
  const [one, two] = await Promise.all(['one', 'two'].map((name) => openBucket(`s3://shared/${name}`)));
  await one?.put('issuer/a', 'a');
  await two?.put('issuer/b', 'b');

  assert.deepEqual(await one?.list('issuer/'), ['issuer/a']);
  assert.deepEqual(aws.s3.keys('shared'), ['one/issuer/a', 'two/issuer/b']);
});

for (const [header, condition] of [
  ['if-match', { ifMatch: '"other"' }],
  ['if-none-match', { ifNoneMatch: '*' }],
] as const) {
  test(`a store that ignores ${header} is refused before anything is written, and the error says why`, async () => {
    const liar = await startAws();
    const { AWS_ENDPOINT_URL: endpoint } = liar.administrator.env;
    try {
      liar.s3.createBucket('certs');
      liar.s3.ignore(header);
      const bucket = await openBucket(`s3://certs?endpoint=${endpoint}`);
      // Another endpoint with other credentials.
      const restore = setEnv(liar.administrator.env);

      const refused = await bucket.put('published/default/manifest.json', '{}', condition).catch((e) => e);

      restore();
      assert.equal(codeOf(refused), 'ERR_BUCKET_CONDITIONS');
      assert.match(messageOf(refused), new RegExp(`${header}.*was taken, wanted 412`, 'i'));
      assert.deepEqual(liar.s3.keys('certs'), []);
    } finally {
      await liar.stop();
    }
  });
}

test('a write whose answer was lost is recognized by its content', async () => {
  const bucket = await openBucket(await makeUrl());
  await bucket.put('issuer/a', 'x', { ifNoneMatch: '*' });
  aws.fault({ service: 's3', operation: 'PutObject', subject: /manifest/, times: 1 }, { wire: 'reset' });

  const written = await bucket.put('published/default/manifest.json', '{}', { ifNoneMatch: '*' });

  assert.notEqual(written, 'precondition-failed');
});
