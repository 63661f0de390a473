/** A bucket to which nothing can be written, whatever the program above it tries. */
import { BucketError } from '#contract/errors.ts';
import type { Bucket } from '#storage/bucket.ts';

export function readOnly(bucket: Bucket): Bucket {
  const refuse = async (key: string): Promise<never> => {
    throw new BucketError(
      'ERR_BUCKET_DENIED',
      `${bucket.url}${key}`,
      'nothing is written by an alias that only reads',
    );
  };
  return {
    url: bucket.url,
    get answeredAt() {
      return bucket.answeredAt;
    },
    get: bucket.get.bind(bucket) as Bucket['get'],
    list: (prefix) => bucket.list(prefix),
    entries: (prefix) => bucket.entries(prefix),
    folders: (prefix) => bucket.folders(prefix),
    listAfter: (prefix, after, max) => bucket.listAfter(prefix, after, max),
    exclusively: (name, timeoutMs, work) => bucket.exclusively(name, timeoutMs, work),
    put: refuse,
    delete: refuse,
    erase: refuse,
  };
}
