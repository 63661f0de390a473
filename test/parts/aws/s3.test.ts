/** The matrix of S3: what the real client sees where look-alikes of S3 differ from S3. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import {
  CreateBucketCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  ListObjectVersionsCommand,
  PutBucketEncryptionCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import type { Aws } from './aws.ts';
import { refusalOf, s3Of, startBench } from './support.ts';

const Bucket = 'certs';

interface Stage {
  aws: Aws;
  s3: S3Client;
  put(Key: string, Body: string, more?: object): Promise<{ ETag: string; VersionId: string | undefined }>;
  get(Key: string, more?: object): Promise<string>;
}

async function stageOf(t: Parameters<typeof startBench>[0]): Promise<Stage> {
  const aws = await startBench(t);
  const s3 = s3Of(aws);
  await s3.send(new CreateBucketCommand({ Bucket }));
  return {
    aws,
    s3,
    put: async (Key, Body, more = {}) => {
      const { ETag = '', VersionId } = await s3.send(new PutObjectCommand({ Bucket, Key, Body, ...more }));
      return { ETag, VersionId };
    },
    get: async (Key, more = {}) => {
      const { Body } = await s3.send(new GetObjectCommand({ Bucket, Key, ...more }));
      return Body?.transformToString() ?? '';
    },
  };
}

test('objects: checksums, streams, metadata, encryption, ranges', async (t) => {
  const stage = await stageOf(t);
  const { s3, put, get } = stage;

  await t.test('a buffer comes back with its CRC32, and its MD5 as ETag', async () => {
    const written = await s3.send(new PutObjectCommand({ Bucket, Key: 'a', Body: 'hello' }));
    const read = await s3.send(new GetObjectCommand({ Bucket, Key: 'a', ChecksumMode: 'ENABLED' }));

    assert.equal(written.ChecksumCRC32, 'NhCmhg==');
    assert.equal(read.ChecksumCRC32, 'NhCmhg==');
    assert.equal(await read.Body?.transformToString(), 'hello');
    assert.equal(written.ETag, `"${createHash('md5').update('hello').digest('hex')}"`);
  });

  await t.test('a stream, whose checksum follows it, is stored without its framing', async () => {
    const text = 'x'.repeat(140_000);
    const Body = Readable.from([text.slice(0, 70_000), text.slice(70_000)]);
    await s3.send(new PutObjectCommand({ Bucket, Key: 'stream', Body, ContentLength: text.length }));
    const payload = stage.aws.calls.at(-1)?.context['s3:x-amz-content-sha256'];
    const read = await s3.send(new GetObjectCommand({ Bucket, Key: 'stream' }));

    assert.equal(payload, 'STREAMING-UNSIGNED-PAYLOAD-TRAILER');
    assert.equal(read.ContentEncoding, undefined);
    assert.equal(await read.Body?.transformToString(), text);
  });

  await t.test('each algorithm is verified and told', async () => {
    for (const [ChecksumAlgorithm, field] of [
      ['CRC64NVME', 'ChecksumCRC64NVME'],
      ['SHA256', 'ChecksumSHA256'],
      ['CRC32C', 'ChecksumCRC32C'],
      ['SHA1', 'ChecksumSHA1'],
    ] as const) {
      const put = new PutObjectCommand({ Bucket, Key: 'sum', Body: 'hello', ChecksumAlgorithm });
      assert.ok((await s3.send(put))[field], field);
    }
  });

  await t.test('wrong checksums are refused', async () => {
    const wrong = (more: object) => refusalOf(put('wrong', 'hello', more));

    assert.equal(await wrong({ ChecksumCRC32: 'AAAAAA==' }), '400 BadDigest');
    assert.equal(await wrong({ ChecksumSHA256: createHash('sha256').digest('base64') }), '400 BadDigest');
    assert.equal(await wrong({ ChecksumCRC64NVME: 'AAAAAAAAAAA=' }), '400 BadDigest');
    assert.equal(await wrong({ ContentMD5: createHash('md5').digest('base64') }), '400 BadDigest');
    assert.equal(await refusalOf(get('wrong')), '404 NoSuchKey');
  });

  await t.test('content type, cache control and metadata are kept', async () => {
    const more = {
      ContentType: 'application/json',
      CacheControl: 'no-store',
      Metadata: { kind: 'manifest' },
    };
    await put('meta', '{}', more);
    const read = await s3.send(new HeadObjectCommand({ Bucket, Key: 'meta' }));

    const { ContentType, CacheControl, Metadata, ContentLength } = read;
    assert.deepEqual({ ContentType, CacheControl, Metadata, ContentLength }, { ...more, ContentLength: 2 });
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

  await t.test('ranges', async () => {
    await put('range', 'hello');

    assert.equal(await get('range', { Range: 'bytes=1-2' }), 'el');
    assert.equal(await get('range', { Range: 'bytes=-2' }), 'lo');
    assert.equal(await refusalOf(get('range', { Range: 'bytes=9-' })), '416 InvalidRange');
  });

  await t.test('keys of any letters', async () => {
    for (const key of ['a b+c', 'ünïcode/✓', 'a//b', 'q?x=1&y', '%41', "it's(1)*!", 'a/../b']) {
      await put(key, key);
      assert.equal(await get(key), key);
    }
  });

  await t.test('what is not there', async () => {
    const elsewhere = { Bucket: 'nowhere', Key: 'a' };

    assert.equal(await refusalOf(get('none')), '404 NoSuchKey');
    assert.equal(await refusalOf(s3.send(new HeadObjectCommand({ Bucket, Key: 'none' }))), '404 NotFound');
    assert.equal(await refusalOf(s3.send(new GetObjectCommand(elsewhere))), '404 NoSuchBucket');
    assert.equal(await refusalOf(s3.send(new HeadBucketCommand({ Bucket: 'nowhere' }))), '404 NotFound');
    await s3.send(new HeadBucketCommand({ Bucket }));
    assert.equal(
      await refusalOf(s3.send(new CreateBucketCommand({ Bucket }))),
      '409 BucketAlreadyOwnedByYou',
    );
  });
});

test('conditions', async (t) => {
  const { aws, s3, put, get } = await stageOf(t);
  const { ETag } = await put('a', 'one');
  const head = (more: object) => s3.send(new HeadObjectCommand({ Bucket, Key: 'a', ...more }));
  const remove = (Key: string, more: object) => s3.send(new DeleteObjectCommand({ Bucket, Key, ...more }));
  const other = '"0123456789abcdef0123456789abcdef"';

  for (const [name, ask, expected] of [
    ['GET If-None-Match', () => get('a', { IfNoneMatch: ETag }), /^304 /],
    ['HEAD If-None-Match', () => head({ IfNoneMatch: ETag }), /^304 /],
    ['GET If-Match of another', () => get('a', { IfMatch: other }), /^412 PreconditionFailed$/],
    ['HEAD If-Match of another', () => head({ IfMatch: other }), /^412 /],
    [
      'PUT If-None-Match: *, there is one',
      () => put('a', 'x', { IfNoneMatch: '*' }),
      /^412 PreconditionFailed$/,
    ],
    ['PUT If-None-Match of an ETag', () => put('a', 'x', { IfNoneMatch: ETag }), /^501 NotImplemented$/],
    ['PUT If-Match of another', () => put('a', 'x', { IfMatch: other }), /^412 PreconditionFailed$/],
    ['PUT If-Match, there is none', () => put('none', 'x', { IfMatch: other }), /^404 NoSuchKey$/],
    ['DELETE If-Match of another', () => remove('a', { IfMatch: other }), /^412 PreconditionFailed$/],
  ] as const)
    await t.test(name, async () => {
      assert.match(await refusalOf(ask()), expected);
      assert.equal(await get('a'), 'one');
    });

  await t.test('those that hold', async () => {
    assert.equal(await get('a', { IfNoneMatch: other }), 'one');
    assert.equal(await get('a', { IfMatch: ETag }), 'one');
    await put('b', 'one', { IfNoneMatch: '*' });
    const { ETag: second } = await put('a', 'two', { IfMatch: ETag });
    await put('a', 'three', { IfMatch: second.replaceAll('"', '') });
    assert.equal(await get('a'), 'three');
    await remove('a', { IfMatch: '*' });
    assert.equal(await refusalOf(get('a')), '404 NoSuchKey');
  });

  await t.test('of thirty that create one key, one succeeds', async () => {
    const tries = Array.from({ length: 30 }, (_, index) =>
      refusalOf(put('race', String(index), { IfNoneMatch: '*' })),
    );
    const answers = await Promise.all(tries);

    assert.equal(answers.filter((answer) => answer === '412 PreconditionFailed').length, 29);
  });

  await t.test('a look-alike that lies ignores them on writes, and says 200', async () => {
    aws.s3.ignore('if-match', 'if-none-match');

    await put('b', 'lied', { IfNoneMatch: '*' });
    await put('b', 'lied again', { IfMatch: other });

    assert.equal(await get('b'), 'lied again');
    aws.s3.ignore();
    assert.match(await refusalOf(put('b', 'x', { IfNoneMatch: '*' })), /^412/);
  });
});

test('versions are kept once that is asked for', async (t) => {
  const { s3, put, get } = await stageOf(t);
  await put('a', 'before');
  await s3.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: 'Enabled' } }));
  const first = await put('a', 'one');
  await put('a', 'two');
  const removed = await s3.send(new DeleteObjectCommand({ Bucket, Key: 'a' }));
  const list = () => s3.send(new ListObjectVersionsCommand({ Bucket, MaxKeys: 1000 }));

  assert.equal(removed.DeleteMarker, true);
  assert.equal(await refusalOf(get('a')), '404 NoSuchKey');
  assert.equal(await get('a', { VersionId: first.VersionId }), 'one');
  assert.equal(await get('a', { VersionId: 'null' }), 'before');
  assert.equal(await refusalOf(get('a', { VersionId: 'unknown' })), '404 NoSuchVersion');
  const { Versions, DeleteMarkers } = await list();
  assert.deepEqual([Versions?.length, DeleteMarkers?.length, DeleteMarkers?.[0]?.IsLatest], [3, 1, true]);
  await put('a', 'created over the marker', { IfNoneMatch: '*' });

  await t.test('and listed a page at a time', async () => {
    let [pages, seen, more] = [0, 0, {}];
    for (let isTruncated = true; isTruncated; pages += 1) {
      const page = await s3.send(new ListObjectVersionsCommand({ Bucket, MaxKeys: 2, ...more }));
      seen += (page.Versions?.length ?? 0) + (page.DeleteMarkers?.length ?? 0);
      isTruncated = page.IsTruncated ?? false;
      more = { KeyMarker: page.NextKeyMarker, VersionIdMarker: page.NextVersionIdMarker };
    }
    assert.deepEqual([pages, seen], [3, 5]);
  });

  await t.test('a removed marker brings the version before it back', async () => {
    await s3.send(new DeleteObjectCommand({ Bucket, Key: 'a' }));
    const VersionId = (await list()).DeleteMarkers?.find(({ IsLatest }) => IsLatest)?.VersionId;
    await s3.send(new DeleteObjectCommand({ Bucket, Key: 'a', VersionId }));
    assert.equal(await get('a'), 'created over the marker');
  });
});

test('lists by prefix and delimiter, a page at a time, in the order of bytes', async (t) => {
  const { s3, put } = await stageOf(t);
  for (const key of ['a/1', 'a/2', 'a/b/3', 'a/b/4', 'a/ü', 'b', 'a/Z']) await put(key, key);
  const [keys, prefixes]: [string[], string[]] = [[], []];
  let token: string | undefined;
  let pages = 0;
  do {
    const wish = { Bucket, Prefix: 'a/', Delimiter: '/', MaxKeys: 2, ContinuationToken: token };
    const page = await s3.send(new ListObjectsV2Command(wish));
    keys.push(...(page.Contents ?? []).map(({ Key = '' }) => Key));
    prefixes.push(...(page.CommonPrefixes ?? []).map(({ Prefix = '' }) => Prefix));
    token = page.NextContinuationToken;
    pages += 1;
  } while (token);

  assert.deepEqual([keys, prefixes, pages], [['a/1', 'a/2', 'a/Z', 'a/ü'], ['a/b/'], 3]);
  const encoded = await s3.send(new ListObjectsV2Command({ Bucket, Prefix: 'a/ü', EncodingType: 'url' }));
  assert.equal(encoded.Contents?.[0]?.Key, 'a/%C3%BC');
  const none = await s3.send(new ListObjectsV2Command({ Bucket, Prefix: 'c' }));
  assert.deepEqual([none.KeyCount, none.Contents, none.IsTruncated], [0, undefined, false]);
});

test('deletes many at once', async (t) => {
  const { aws, s3, put } = await stageOf(t);
  for (const key of ['a', 'b', 'c']) await put(key, key);

  const Objects = [{ Key: 'a' }, { Key: 'b' }, { Key: 'none' }];
  const { Deleted } = await s3.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects } }));

  assert.equal(Deleted?.length, 3);
  assert.deepEqual(aws.s3.keys(Bucket), ['c']);
});

test('a bucket has an encryption of its own', async (t) => {
  const { s3, put } = await stageOf(t);
  const byDefault = { SSEAlgorithm: 'aws:kms' } as const;
  const Rules = [{ ApplyServerSideEncryptionByDefault: byDefault, BucketKeyEnabled: true }];
  const ServerSideEncryptionConfiguration = { Rules };
  await s3.send(new PutBucketEncryptionCommand({ Bucket, ServerSideEncryptionConfiguration }));

  await put('a', 'a');
  const read = await s3.send(new HeadObjectCommand({ Bucket, Key: 'a' }));

  assert.deepEqual([read.ServerSideEncryption, read.BucketKeyEnabled], ['aws:kms', true]);
});
