/** The matrix of S3: what the real client sees where look-alikes of S3 differ from S3. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { type TestContext, test } from 'node:test';
import {
  CreateBucketCommand,
  DeleteObjectCommand,
  HeadObjectCommand,
  PutBucketEncryptionCommand,
  PutObjectCommand,
  paginateListObjectsV2,
} from '@aws-sdk/client-s3';
import { refusalOf, s3Of, startBench } from '../clients.ts';
import { openStage } from './stage.ts';
import { s3Suite } from './suite.ts';

s3Suite(async (t) => s3Of(await startBench(t)));

async function stageOf(t: TestContext) {
  const aws = await startBench(t);
  return { aws, ...(await openStage(s3Of(aws))) };
}

test('what moto does otherwise', async (t) => {
  const { aws, Bucket, s3, put, get } = await stageOf(t);

  await t.test('wrong checksums are refused', async () => {
    const wrong = (more: object) => refusalOf(put('wrong', 'hello', more));

    assert.equal(await wrong({ ChecksumCRC32: 'AAAAAA==' }), '400 BadDigest');
    assert.equal(await wrong({ ChecksumSHA256: createHash('sha256').digest('base64') }), '400 BadDigest');
    assert.equal(await wrong({ ChecksumCRC64NVME: 'AAAAAAAAAAA=' }), '400 BadDigest');
    assert.equal(await wrong({ ContentMD5: createHash('md5').digest('base64') }), '400 BadDigest');
    assert.equal(await refusalOf(get('wrong')), '404 NoSuchKey');
  });

  await t.test(
    'encryption is told as it was asked for, AES256 by default; under KMS the ETag is no MD5',
    async () => {
      const SSEKMSKeyId = 'arn:aws:kms:eu-central-1:111111111111:key/00000000-0000-0000-0000-000000000001';
      const kms = { ServerSideEncryption: 'aws:kms', SSEKMSKeyId, BucketKeyEnabled: true } as const;
      const plain = await s3.send(new PutObjectCommand({ Bucket, Key: 'sse', Body: 'hello' }));
      const keyed = await s3.send(new PutObjectCommand({ Bucket, Key: 'sse', Body: 'hello', ...kms }));
      const read = await s3.send(new HeadObjectCommand({ Bucket, Key: 'sse' }));

      assert.equal(plain.ServerSideEncryption, 'AES256');
      assert.deepEqual(
        [read.ServerSideEncryption, read.SSEKMSKeyId, read.BucketKeyEnabled],
        ['aws:kms', SSEKMSKeyId, true],
      );
      assert.notEqual(keyed.ETag, plain.ETag);
      assert.equal(
        await refusalOf(put('sse', 'x', { ServerSideEncryption: 'AES256', SSEKMSKeyId })),
        '400 InvalidArgument',
      );
    },
  );

  await t.test('an ETag in If-None-Match, on a write: refused', async () => {
    const { ETag } = await put('a', 'a');
    assert.equal(await refusalOf(put('a', 'x', { IfNoneMatch: ETag })), '501 NotImplemented');
  });

  await t.test('an ETag without quotes, and * for whatever there is', async () => {
    const { ETag } = await put('a', 'a');
    await put('a', 'b', { IfMatch: ETag.replaceAll('"', '') });
    await s3.send(new DeleteObjectCommand({ Bucket, Key: 'a', IfMatch: '*' }));
    assert.equal(await refusalOf(get('a')), '404 NoSuchKey');
  });

  await t.test('a bucket that is there, or a name that is none: refused', async () => {
    assert.equal(
      await refusalOf(s3.send(new CreateBucketCommand({ Bucket }))),
      '409 BucketAlreadyOwnedByYou',
    );
    assert.equal(
      await refusalOf(s3.send(new CreateBucketCommand({ Bucket: 'A_b' }))),
      '400 InvalidBucketName',
    );
  });

  await t.test('a stream was sent with its checksum behind it', async () => {
    const Body = Readable.from(['x'.repeat(70_000), 'y'.repeat(70_000)]);
    await s3.send(new PutObjectCommand({ Bucket, Key: 'stream', Body, ContentLength: 140_000 }));
    assert.equal(aws.calls.at(-1)?.context['s3:x-amz-content-sha256'], 'STREAMING-UNSIGNED-PAYLOAD-TRAILER');
  });

  await t.test('a look-alike that lies ignores them on writes, and says 200', async () => {
    await put('b', 'honest');
    aws.s3.ignore('if-match', 'if-none-match');

    await put('b', 'lied', { IfNoneMatch: '*' });
    await put('b', 'lied again', { IfMatch: '"0123456789abcdef0123456789abcdef"' });

    assert.equal(await get('b'), 'lied again');
    aws.s3.ignore();
    assert.match(await refusalOf(put('b', 'x', { IfNoneMatch: '*' })), /^412/);
  });
});

test('thousands of objects are there without a request, and listed in pages of 1,000', async (t) => {
  const { aws, Bucket, s3, get } = await stageOf(t);
  for (let index = 0; index < 2500; index += 1) aws.s3.write(Bucket, `pem/${index}`, String(index));
  const before = aws.calls.length;

  const keys: string[] = [];
  for await (const { Contents = [] } of paginateListObjectsV2({ client: s3 }, { Bucket, Prefix: 'pem/' })) {
    keys.push(...Contents.map(({ Key = '' }) => Key));
  }

  assert.deepEqual([new Set(keys).size, aws.calls.length - before], [2500, 3]);
  assert.equal(await get('pem/7'), '7');
});

test('a bucket has an encryption of its own', async (t) => {
  const { Bucket, s3, put } = await stageOf(t);
  const byDefault = { SSEAlgorithm: 'aws:kms' } as const;
  const Rules = [{ ApplyServerSideEncryptionByDefault: byDefault, BucketKeyEnabled: true }];
  const ServerSideEncryptionConfiguration = { Rules };
  await s3.send(new PutBucketEncryptionCommand({ Bucket, ServerSideEncryptionConfiguration }));

  await put('a', 'a');
  const read = await s3.send(new HeadObjectCommand({ Bucket, Key: 'a' }));

  assert.deepEqual([read.ServerSideEncryption, read.BucketKeyEnabled], ['aws:kms', true]);
});
