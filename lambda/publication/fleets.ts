/** Which fleets there are in the bucket, whether a certificate still names them or not. */
import { BucketError, messageOf } from '#contract/errors.ts';
import { type FleetName, fleetsAmong, layout } from '#contract/layout.ts';
import type { Bucket } from '#storage/bucket.ts';
import type { Pass } from '../pass.ts';

/** Whoever may write to `published/` makes up as many as he likes: of those that nobody configures, so many are read. */
const MAX_FLEETS = 1000;

/** Fleets that something was ever published to, sorted. @throws BucketError */
export async function publishedFleets(bucket: Bucket): Promise<FleetName[]> {
  const folders = await bucket.folders(layout.publishedFleets);
  return fleetsAmong(folders).slice(0, MAX_FLEETS);
}

/** Whatever keeps them from being listed, the configured fleets are worked on. */
export async function publishedFleetsOrNone({
  bucket,
  log,
}: Pick<Pass, 'bucket' | 'log'>): Promise<FleetName[]> {
  try {
    return await publishedFleets(bucket);
  } catch (error) {
    if (!(error instanceof BucketError)) throw error;
    log('fleets.unlisted', { code: error.code, error: messageOf(error) });
    return [];
  }
}
