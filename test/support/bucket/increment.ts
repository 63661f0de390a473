import type { Bucket } from '#storage/bucket.ts';

/** The loop of a writer that changes a shared object; bounded, so that a lost condition fails instead of spinning. */
export async function increment(bucket: Bucket, key: string): Promise<void> {
  for (let attempt = 0; attempt < 2_000; attempt += 1) {
    const read = await bucket.get(key);
    const next = String(Number(read?.body.toString() ?? '0') + 1);
    const written = await bucket.put(
      key,
      next,
      read === undefined ? { ifNoneMatch: '*' } : { ifMatch: read.etag },
    );
    if (written !== 'precondition-failed') return;
  }
  throw new Error('no turn came');
}
