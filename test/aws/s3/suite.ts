/** What S3 does with objects, conditions, versions and lists: asked of the stand-in and of moto, so that they agree. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  PutObjectCommand,
} from '@aws-sdk/client-s3';
import { refusalOf } from '../clients.ts';
import { type Open, openStage } from './stage.ts';
import { listTests } from './suite-lists.ts';

export function s3Suite(open: Open): void {
  objectTests(open);
  conditionTests(open);
  listTests(open);
}

const objectTests = (open: Open) =>
  test('objects: checksums, streams, metadata, ranges', async (t) => {
    const { Bucket, s3, put, get } = await openStage(await open(t));

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
      const read = await s3.send(new GetObjectCommand({ Bucket, Key: 'stream' }));

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
    });
  });

const conditionTests = (open: Open) =>
  test('conditions', async (t) => {
    const { Bucket, s3, put, get } = await openStage(await open(t));
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
      ['PUT If-Match of another', () => put('a', 'x', { IfMatch: other }), /^412 PreconditionFailed$/],
      ['PUT If-Match, there is none', () => put('none', 'x', { IfMatch: other }), /^404 NoSuchKey$/],
      ['DELETE If-Match of another', () => remove('a', { IfMatch: other }), /^412 PreconditionFailed$/],
    ] as const) {
      await t.test(name, async () => {
        assert.match(await refusalOf(ask()), expected);
        assert.equal(await get('a'), 'one');
      });
    }

    await t.test('those that hold', async () => {
      assert.equal(await get('a', { IfNoneMatch: other }), 'one');
      assert.equal(await get('a', { IfMatch: ETag }), 'one');
      await put('b', 'one', { IfNoneMatch: '*' });
      const { ETag: second } = await put('a', 'two', { IfMatch: ETag });
      await remove('a', { IfMatch: second });
      assert.equal(await refusalOf(get('a')), '404 NoSuchKey');
    });

    await t.test('of thirty that create one key, one succeeds', async () => {
      const tries = Array.from({ length: 30 }, (_, index) =>
        refusalOf(put('race', String(index), { IfNoneMatch: '*' })),
      );
      const answers = await Promise.all(tries);

      assert.equal(answers.filter((answer) => answer === '412 PreconditionFailed').length, 29);
    });
  });
