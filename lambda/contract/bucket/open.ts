/** The one place where a bucket's address becomes a bucket. */
import { fileURLToPath } from 'node:url';
import { BucketError } from '../errors.ts';
import type { Bucket } from './bucket.ts';
import { openDirectoryBucket } from './directory.ts';
import { parseS3Address } from './s3-address.ts';

/**
 * @param url `file:///absolute/path`, `s3://bucket/prefix`
 * @throws BucketError `ERR_BUCKET_URL`
 */
export async function openBucket(url: string): Promise<Bucket> {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed?.protocol === 'file:' && parsed.hostname === '')
    return openDirectoryBucket(fileURLToPath(parsed));
  if (parsed?.protocol === 's3:') {
    const address = parseS3Address(parsed);
    // Loaded where it is needed only: the SDK is most of the program.
    return (await import('./s3.ts')).openS3Bucket(address);
  }
  const wanted = 'wanted a bucket URL such as s3://my-certificates or file:///var/lib/pemfleet/bucket';
  throw new BucketError('ERR_BUCKET_URL', url, wanted);
}
