/** Orders that failed because of an account wait for nothing when another one is in its place. */
import { BucketError } from '#contract/errors.ts';
import type { Bucket } from '#storage/bucket.ts';
import { readOrderRecords, saveOrderRecord } from '../../order/record.ts';

/**
 * The next pass tries them: what made them back off, and what it said, is over.
 * @returns how many
 * @throws BucketError
 */
export async function endAccountWaits(bucket: Bucket, directoryUrl: string, now: Date): Promise<number> {
  const { records, error } = await readOrderRecords(bucket);
  if (error !== undefined) throw error;
  let ended = 0;
  for (const stored of records.values()) {
    const { directoryUrl: at, lastFailure } = stored.record;
    if (at !== directoryUrl || lastFailure?.code !== 'ERR_ACME_ACCOUNT') continue;
    try {
      const fresh = { failures: 0, lastFailure: undefined, isAccountRenewed: undefined, notBefore: now };
      await saveOrderRecord(bucket, stored, fresh);
      ended += 1;
    } catch (failure) {
      // A pass is at work on it: its outcome counts.
      if (!(failure instanceof BucketError) || failure.code !== 'ERR_BUCKET_CONFLICT') throw failure;
    }
  }
  return ended;
}
