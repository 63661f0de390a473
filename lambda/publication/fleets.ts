/** Which fleets there are in the bucket, whether a certificate still names them or not. */
import { type FleetName, fleetName, layout } from '#contract/layout.ts';
import type { Bucket } from '#storage/bucket.ts';

/** Whoever may write to `published/` makes up as many as he likes: of those that nobody configures, so many are read. */
const MAX_FLEETS = 1000;

/** Fleets that something was ever published to, sorted. @throws BucketError */
export async function publishedFleets(bucket: Bucket): Promise<FleetName[]> {
  const folders = await bucket.folders(layout.publishedFleets);
  const fleets = folders.flatMap((folder) => {
    const fleet = fleetName.safeParse(folder);
    return fleet.success ? [fleet.data] : [];
  });
  return fleets.slice(0, MAX_FLEETS);
}
