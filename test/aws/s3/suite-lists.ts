/** The part of the suite about what a bucket holds: versions, lists, many at once. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  DeleteObjectCommand,
  DeleteObjectsCommand,
  ListObjectsV2Command,
  ListObjectVersionsCommand,
  PutBucketVersioningCommand,
} from '@aws-sdk/client-s3';
import { refusalOf } from '../clients.ts';
import { type Open, openStage } from './stage.ts';

export function listTests(open: Open): void {
  test('versions are kept once that is asked for', async (t) => {
    const { Bucket, s3, put, get } = await openStage(await open(t));
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
    const { Bucket, s3, put } = await openStage(await open(t));
    for (const key of ['a/1', 'a/2', 'a/b/3', 'a/b/4', 'a/ü', 'b', 'a/Z']) await put(key, key);
    const [keys, prefixes]: [string[], string[]] = [[], []];
    let token: string | undefined;
    let pages = 0;
    do {
      const input = { Bucket, Prefix: 'a/', Delimiter: '/', MaxKeys: 2, ContinuationToken: token };
      const page = await s3.send(new ListObjectsV2Command(input));
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
    const { Bucket, s3, put, get } = await openStage(await open(t));
    for (const key of ['a', 'b', 'c']) await put(key, key);

    const Objects = [{ Key: 'a' }, { Key: 'b' }, { Key: 'none' }];
    const { Deleted } = await s3.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects } }));

    assert.equal(Deleted?.length, 3);
    assert.equal(await refusalOf(get('b')), '404 NoSuchKey');
    assert.equal(await get('c'), 'c');
  });
}
