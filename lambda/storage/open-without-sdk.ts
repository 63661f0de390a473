/** How a program that must be small opens the bucket: a directory, or S3 without the SDK. */
import { parseBucketUrl } from './address.ts';
import type { BucketAccess, HostBucket } from './bucket.ts';
import { DirectoryBucket } from './directory.ts';
import type { Environment } from './s3-credentials.ts';
import { S3WithoutSdk } from './s3-without-sdk.ts';

/**
 * @param env credentials, region and endpoint, in AWS's variables
 * @throws BucketError `ERR_BUCKET_URL`
 */
export async function openWithoutSdk(
  url: string,
  env: Environment,
  access?: BucketAccess,
): Promise<HostBucket> {
  const address = parseBucketUrl(url);
  return address.kind === 'directory'
    ? DirectoryBucket.open(address.path, access)
    : new S3WithoutSdk(address.s3, env);
}
