/**
 * Many stores that speak S3 ignore `If-Match` or `If-None-Match` on a write and answer 200: two issuers would then
 * overwrite each other's manifest in silence. So a process tries the store before its first conditional write.
 */
import { randomUUID } from 'node:crypto';
import { BucketError } from '#contract/errors.ts';
import { layout } from '#contract/layout.ts';
import type { PutCondition, PutResult } from './bucket.ts';

type Write = (key: string, body: string, condition?: PutCondition) => Promise<PutResult>;

const OTHER_ETAG = '"00000000000000000000000000000000"';

/** @throws BucketError `ERR_BUCKET_CONDITIONS` if the store takes a write that it must refuse */
export async function probeConditions(
  url: string,
  write: Write,
  remove: (key: string) => Promise<void>,
): Promise<void> {
  // A fresh key: another process may be trying the same store.
  const key = layout.probe(randomUUID());
  await write(key, 'probe\n');
  try {
    const created = await write(key, 'probe\n', { ifNoneMatch: '*' });
    if (created !== 'precondition-failed') throw liar(url, 'If-None-Match: * on an object that exists');
    const replaced = await write(key, 'probe\n', { ifMatch: OTHER_ETAG });
    if (replaced !== 'precondition-failed') throw liar(url, 'If-Match and another ETag');
  } finally {
    await remove(key);
  }
}

function liar(url: string, what: string): BucketError {
  const advice = 'this store would lose certificates to races; use S3, or a store with conditional writes';
  return new BucketError(
    'ERR_BUCKET_CONDITIONS',
    url,
    `a write with ${what} was taken, wanted 412: ${advice}`,
  );
}
