/** How a bucket's address becomes a bucket with all its verbs. */
import { parseBucketUrl } from './address.ts';
import type { Bucket } from './bucket.ts';
import { openDirectoryBucket } from './directory.ts';

/** @throws BucketError `ERR_BUCKET_URL` */
export async function openBucket(url: string): Promise<Bucket> {
  const place = parseBucketUrl(url);
  if (place.kind === 'directory') return openDirectoryBucket(place.path);
  // Loaded where it is needed only: the SDK is most of the program.
  return (await import('./s3.ts')).openS3Bucket(place.address);
}
