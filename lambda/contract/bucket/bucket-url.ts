/** What a bucket's address says: which kind, and where. */
import { fileURLToPath } from 'node:url';
import { BucketError } from '../errors.ts';
import { parseS3Address, type S3Address } from './s3-address.ts';

export type BucketPlace = { kind: 'directory'; path: string } | { kind: 's3'; address: S3Address };

/**
 * @param url `file:///absolute/path`, `s3://bucket/prefix`
 * @throws BucketError `ERR_BUCKET_URL`
 */
export function parseBucketUrl(url: string): BucketPlace {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed?.protocol === 'file:' && parsed.hostname === '')
    return { kind: 'directory', path: fileURLToPath(parsed) };
  if (parsed?.protocol === 's3:') return { kind: 's3', address: parseS3Address(parsed) };
  const wanted = 'wanted a bucket URL such as s3://my-certificates or file:///var/lib/pemfleet/bucket';
  throw new BucketError('ERR_BUCKET_URL', url, wanted);
}
