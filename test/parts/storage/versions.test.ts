// A versioned bucket keeps what is deleted and replaced: a private key that a stranger has must not stay as an earlier version.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import {
  CreateBucketCommand,
  ListObjectVersionsCommand,
  PutBucketVersioningCommand,
  S3Client,
  type S3ClientConfig,
} from '@aws-sdk/client-s3';
import { codeOf } from '#contract/errors.ts';
import { openBucket } from '#storage/open.ts';
import { startAws } from '../../aws/aws.ts';
import { AwsFailure } from '../../aws/wire.ts';
import { setEnv } from '../../support/env.ts';
import { startMoto } from '../../support/parts/moto.ts';

const KEY = 'published/default/pem/a.test/0.pem';

/** Versions and delete markers, by key: how many of each. */
async function countsIn(client: S3Client, Bucket: string) {
  const { Versions = [], DeleteMarkers = [] } = await client.send(new ListObjectVersionsCommand({ Bucket }));
  const count = (list: { Key?: string | undefined }[], key: string) =>
    list.filter(({ Key }) => Key === key).length;
  return (key: string) => [count(Versions, key), count(DeleteMarkers, key)];
}

async function tryVersions(client: S3Client, name: string): Promise<void> {
  const VersioningConfiguration = { Status: 'Enabled' } as const;
  await client.send(new PutBucketVersioningCommand({ Bucket: name, VersioningConfiguration }));
  const bucket = await openBucket(`s3://${name}`);
  for (const body of ['one', 'two', 'three']) {
    for (const key of [KEY, 'issuer/order/a.test.json', `${KEY}.pem`]) await bucket.put(key, body);
  }
  await bucket.delete(KEY);
  await bucket.put(KEY, 'four');

  await bucket.erase(KEY, 'all');
  await bucket.erase('issuer/order/a.test.json', 'earlier');

  const counts = await countsIn(client, name);
  assert.deepEqual(counts(KEY), [0, 0], 'with its delete markers');
  assert.deepEqual(counts('issuer/order/a.test.json'), [1, 0]);
  assert.equal((await bucket.get('issuer/order/a.test.json'))?.body.toString(), 'three');
  assert.deepEqual(counts(`${KEY}.pem`), [3, 0], 'a key that only begins with it');

  await bucket.delete('issuer/order/a.test.json');
  await bucket.erase('issuer/order/a.test.json', 'earlier');
  assert.deepEqual((await countsIn(client, name))('issuer/order/a.test.json')[0], 0, 'of what is deleted');
}

test('S3: a key is erased with all of its versions, and no other one', async () => {
  const aws = await startAws();
  after(aws.stop);
  const restore = setEnv(aws.administrator.env);
  const client = new S3Client({
    endpoint: aws.administrator.env['AWS_ENDPOINT_URL'],
    forcePathStyle: true,
  } as S3ClientConfig);
  after(() => client.destroy());
  aws.s3.createBucket('versioned');

  await tryVersions(client, 'versioned');

  // Who may delete objects and no versions has deleted the object, and is told what is missing.
  const bucket = await openBucket('s3://versioned');
  await bucket.put(KEY, 'five');
  const refuse = { refuse: new AwsFailure(403, 'AccessDenied', 'Access Denied') };
  aws.fault({ service: 's3', operation: 'ListObjectVersions', times: 1 }, refuse);
  const denied = await bucket.erase(KEY, 'all').catch((error: unknown) => error);
  restore();
  assert.equal(codeOf(denied), 'ERR_BUCKET_DENIED');
  assert.match(String(denied), /s3:ListBucketVersions, s3:DeleteObjectVersion/);
  assert.ok(!aws.s3.keys('versioned').includes(KEY));
});

test('moto, as a second opinion: a key is erased with all of its versions', async () => {
  const moto = await startMoto();
  after(moto.stop);
  const restore = setEnv(moto.env);
  const { endpoint, region, credentials } = moto;
  const client = new S3Client({ endpoint, region, credentials, forcePathStyle: true });
  after(() => client.destroy());
  const CreateBucketConfiguration = { LocationConstraint: 'eu-central-1' } as const;
  await client.send(new CreateBucketCommand({ Bucket: 'versioned', CreateBucketConfiguration }));

  await tryVersions(client, 'versioned');
  restore();
});
