/** How a program that must be small opens the bucket: a directory, or S3 without the SDK. */
import { parseBucketUrl } from './address.ts';
import type { HostBucket } from './bucket.ts';
import { openDirectoryBucket } from './directory.ts';
import type { Environment } from './s3-credentials.ts';
import { openLightBucket } from './s3-light.ts';

/** @throws BucketError `ERR_BUCKET_URL` */
export async function openLight(url: string, env: Environment): Promise<HostBucket> {
  const place = parseBucketUrl(url);
  return place.kind === 'directory' ? openDirectoryBucket(place.path) : openLightBucket(place.address, env);
}
