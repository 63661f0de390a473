/** Objects that their writer made unreadable. Writing one again mends it. */
import { BucketError, type BucketErrorCode } from '#contract/errors.ts';
import type { Bucket } from '#storage/bucket.ts';
import { interposed } from './interposed.ts';

/** @returns the bucket, in which reads of `key` fail with `code` until it is written */
export function spoilt(bucket: Bucket, key: string, code: BucketErrorCode): Bucket {
  let isSpoilt = true;
  const get = (at: string, ...rest: []) =>
    isSpoilt && at === key
      ? Promise.reject(new BucketError(code, key, 'as planted'))
      : bucket.get(at, ...rest);
  const put: Bucket['put'] = async (at, ...rest) => {
    const result = await bucket.put(at, ...rest);
    if (at === key && result !== 'precondition-failed') isSpoilt = false;
    return result;
  };
  return interposed(bucket, { get, put } as Partial<Bucket>);
}

/** One object's own faults. */
export const OBJECT_FAULTS = [
  'ERR_BUCKET_SIZE',
  'ERR_BUCKET_ARCHIVED',
  'ERR_BUCKET_DENIED',
  'ERR_BUCKET_IO',
] as const satisfies BucketErrorCode[];
