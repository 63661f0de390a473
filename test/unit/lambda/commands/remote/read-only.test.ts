/** Nothing is written by what only reads; and whose signatures count for an auditor, who may not read the signing key. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BucketError } from '#contract/errors.ts';
import { layout } from '#contract/layout.ts';
import type { Bucket } from '#storage/bucket.ts';
import { readOnly } from '../../../../../lambda/commands/remote/read-only.ts';
import { openKeysToRead } from '../../../../../lambda/publication/readers/keys.ts';
import { openSigningKey } from '../../../../../lambda/signing/signing-key.ts';
import { memoryBucket } from '../../../../support/bucket/memory-bucket.ts';

/** As S3 answers somebody whose policy denies keys. */
function withoutKeys(bucket: Bucket): Bucket {
  const get = async (key: string) => {
    if (key === layout.signingKey) throw new BucketError('ERR_BUCKET_DENIED', `s3://b/${key}`, 'denied');
    return bucket.get(key);
  };
  return { ...readOnly(bucket), get: get as Bucket['get'] };
}

test('whatever writes to a bucket of the alias that reads is refused, and reads go through', async () => {
  const bucket = memoryBucket();
  await bucket.put('a/b', 'text');
  const reader = readOnly(bucket);

  for (const write of [reader.put('a/c', ''), reader.delete('a/b'), reader.erase('a/b', 'all')]) {
    await assert.rejects(write, { code: 'ERR_BUCKET_DENIED' });
  }
  assert.equal((await reader.get('a/b'))?.body.toString(), 'text');
  assert.deepEqual(await reader.list('a/'), ['a/b']);
});

test('an auditor takes the key that the issuer remembers, and no other; an error that is no denial stays one', async () => {
  const bucket = memoryBucket();
  const own = await openSigningKey(bucket, { fleets: [] });
  const fleet = { version: 1, key: own.signer.key, tombstones: {} };
  await bucket.put('issuer/tombstones/edge.json', JSON.stringify(fleet));

  const keys = await openKeysToRead(withoutKeys(bucket), { fleets: [] });
  const direct = await openKeysToRead(bucket, { fleets: [] });

  assert.deepEqual([keys.isOurs(own.signer.key), keys.isOurs(keys.signer.key)], [true, false]);
  assert.notEqual(keys.signer.key, own.signer.key);
  assert.equal(direct.signer.key, own.signer.key);
  await bucket.put(layout.signingKey, 'spoilt');
  await assert.rejects(openKeysToRead(bucket, { fleets: [] }), { code: 'ERR_SIGNING_KEY' });
});
