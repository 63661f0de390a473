/**
 * What the store's clock says. Programs on several machines share a bucket, and no other clock: where two of them have to agree how old
 * something is, they ask it.
 */
import { randomUUID } from 'node:crypto';
import { CLOCK_SLACK_MS, clockOffset } from '#common/clock.ts';
import { BucketError } from '#contract/errors.ts';
import { layout } from '#contract/layout.ts';
import type { Bucket } from '#storage/bucket.ts';

/** Costs three requests: an object is written, listed and deleted. A directory has its machine's clock. @throws BucketError */
export async function storeTime(bucket: Bucket): Promise<Date> {
  const key = layout.probe(randomUUID());
  await bucket.put(key, 'clock\n');
  try {
    const entries = await bucket.entries(layout.probe(''));
    const entry = entries.find((listed) => listed.key === key);
    if (entry !== undefined) return entry.modifiedAt;
    throw new BucketError('ERR_BUCKET_IO', key, 'was written, and a listing does not show it');
  } finally {
    await bucket.delete(key);
  }
}

/** As the store has answered last. @param now of this machine, whose clock a directory has */
export function storeNow({ answeredAt }: Pick<Bucket, 'answeredAt'>, now: Date): Date {
  return answeredAt ?? now;
}

/**
 * By how much this machine's clock is ahead of the store's, in ms (behind: negative), where they differ by more than a minute. A directory has
 * no other clock.
 * @param begin the store has answered since then
 */
export function ownClockOffset(
  { answeredAt }: Pick<Bucket, 'answeredAt'>,
  begin: Date,
  end: Date,
): number | undefined {
  if (answeredAt === undefined) return undefined;
  const offsetMs = clockOffset({ storeTime: answeredAt, begin, end });
  return Math.abs(offsetMs) > CLOCK_SLACK_MS ? offsetMs : undefined;
}
