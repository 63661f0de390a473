/**
 * How a host opens the bucket: without the SDK where the environment is plain, by the SDK where the operator uses
 * profiles, SSO or the like.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { AwsCredentialIdentityProvider } from '@smithy/types';
import type { BucketAccess, HostBucket } from './bucket.ts';
import { sdkCredentials } from './metadata/sdk-credentials.ts';
import { openBucket } from './open.ts';
import { openWithoutSdk } from './open-without-sdk.ts';
import { credentialsOf, type Environment, regionOf } from './s3-credentials.ts';

/** @throws BucketError `ERR_BUCKET_URL` */
export function openHostBucket(url: string, env: Environment, access?: BucketAccess): Promise<HostBucket> {
  return isPlain(env) ? openWithoutSdk(url, env, access) : openBucket(url, access);
}

/** For requests to other services: credentials and region as the bucket gets them. */
export async function hostIdentity(env: Environment): Promise<HostIdentity> {
  if (isPlain(env)) return { credentials: credentialsOf(env), region: regionOf(env) };
  const { S3Client } = await import('@aws-sdk/client-s3');
  return new S3Client({ credentials: sdkCredentials() }).config;
}

export interface HostIdentity {
  credentials: AwsCredentialIdentityProvider;
  region: () => Promise<string>;
}

/** Variables whose meaning only the SDK knows. */
const FOR_SDK_ONLY = [
  'AWS_PROFILE',
  'AWS_WEB_IDENTITY_TOKEN_FILE',
  'AWS_CONFIG_FILE',
  'AWS_SHARED_CREDENTIALS_FILE',
  'AWS_USE_FIPS_ENDPOINT',
  'AWS_USE_DUALSTACK_ENDPOINT',
];

function isPlain(env: Environment): boolean {
  if (FOR_SDK_ONLY.some((name) => env[name])) return false;
  const isNamed = env['AWS_ACCESS_KEY_ID'] && (env['AWS_REGION'] ?? env['AWS_DEFAULT_REGION']);
  const files = ['config', 'credentials'].map((file) => join(env['HOME'] ?? '/', '.aws', file));
  return Boolean(isNamed) || !files.some(existsSync);
}
