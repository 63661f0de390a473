/** The one place where a bucket's address becomes a bucket. */
import { fileURLToPath } from 'node:url';
import { BucketError } from '../errors.ts';
import type { Bucket } from './bucket.ts';
import { openDirectoryBucket } from './directory.ts';

/** @param url `file:///absolute/path` @throws BucketError `ERR_BUCKET_URL` */
export async function openBucket(url: string): Promise<Bucket> {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed?.protocol === 'file:' && parsed.hostname === '')
    return openDirectoryBucket(fileURLToPath(parsed));
  throw new BucketError('ERR_BUCKET_URL', url, 'wanted a bucket URL such as file:///var/lib/pemfleet/bucket');
}
