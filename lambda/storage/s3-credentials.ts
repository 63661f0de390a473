/**
 * AWS credentials and region of a host or a function: from the environment, a container's endpoint, or instance
 * metadata (IMDSv2 only). For profiles, SSO or web identity, open-host.ts takes the whole SDK instead.
 */
import {
  fromContainerMetadata,
  fromInstanceMetadata,
  getInstanceMetadataEndpoint,
  httpRequest,
} from '@smithy/credential-provider-imds';
import type { AwsCredentialIdentity, AwsCredentialIdentityProvider } from '@smithy/types';
import { once } from '#common/once.ts';
import { MINUTE_MS } from '#common/time.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** Credentials are fetched again this long before they expire. */
const EARLY_MS = 5 * MINUTE_MS;
const METADATA = { timeout: 2_000, maxRetries: 2, ec2MetadataV1Disabled: true };

export function credentialsOf(env: Environment): AwsCredentialIdentityProvider {
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } = env;
  if (accessKeyId && secretAccessKey) {
    const sessionToken = env['AWS_SESSION_TOKEN'];
    const keys = { accessKeyId, secretAccessKey };
    return async () => (sessionToken ? { ...keys, sessionToken } : keys);
  }
  return cached(
    env['AWS_CONTAINER_CREDENTIALS_RELATIVE_URI']
      ? fromContainerMetadata(METADATA)
      : fromInstanceMetadata(METADATA),
  );
}

/** The region that the environment names, or the instance's. */
export function regionOf(env: Environment): () => Promise<string> {
  const named = env['AWS_REGION'] ?? env['AWS_DEFAULT_REGION'];
  return named ? async () => named : once(instanceRegion);
}

async function instanceRegion(): Promise<string> {
  const { hostname, port } = await getInstanceMetadataEndpoint();
  const ask = async (method: string, path: string, headers: Record<string, string>) =>
    (await httpRequest({ hostname, port, method, path, headers, timeout: METADATA.timeout })).toString();
  const token = await ask('PUT', '/latest/api/token', { 'x-aws-ec2-metadata-token-ttl-seconds': '60' });
  return ask('GET', '/latest/meta-data/placement/region', { 'x-aws-ec2-metadata-token': token });
}

/** Keeps credentials until shortly before they expire. A failure is not kept. */
function cached(provide: AwsCredentialIdentityProvider): AwsCredentialIdentityProvider {
  let current: AwsCredentialIdentity | undefined;
  return async () => {
    const isFresh = (current?.expiration?.getTime() ?? Number.POSITIVE_INFINITY) - Date.now() > EARLY_MS;
    if (current === undefined || !isFresh) current = await provide();
    return current;
  };
}
