/** How a program that needs all verbs opens the bucket: a directory, or S3 by the SDK. */
import { checkEndpoint, endpointIn, parseBucketUrl } from './address.ts';
import type { Bucket, BucketAccess } from './bucket.ts';
import { DirectoryBucket } from './directory.ts';

/**
 * S3 takes credentials, region and endpoint from the SDK's standard chain.
 * @throws BucketError `ERR_BUCKET_URL`
 */
export async function openBucket(url: string, access?: BucketAccess): Promise<Bucket> {
  const address = parseBucketUrl(url);
  if (address.kind === 'directory') return DirectoryBucket.open(address.path, access);
  checkEndpoint(address.s3.endpoint ?? endpointIn(process.env) ?? '', { ...address.s3, url });
  // Loaded only where it is needed: the SDK is most of the program.
  const { S3Bucket } = await import('./s3.ts');
  return new S3Bucket(address.s3);
}
