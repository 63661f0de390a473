/**
 * AWS credentials and region of a host or a function: from the environment, a container's endpoint, or instance
 * metadata (IMDSv2 only). For profiles, SSO or web identity, open-host.ts takes the whole SDK instead.
 */
import type { AwsCredentialIdentity, AwsCredentialIdentityProvider } from '@smithy/types';
import { once } from '#common/once.ts';
import { MINUTE_MS } from '#common/time.ts';
import {
  containerCredentials,
  instanceCredentials,
  instanceRegion,
  MetadataProviderError,
} from './metadata/instance.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** Credentials are fetched again this long before they expire. */
const EARLY_MS = 5 * MINUTE_MS;

export function credentialsOf(env: Environment): AwsCredentialIdentityProvider {
  const keys = keysIn(env);
  return keys ? async () => keys : keptUntilTheyExpire(remoteCredentials(env));
}

/** Keys in the environment itself. */
export function keysIn(env: Environment): AwsCredentialIdentity | undefined {
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } = env;
  if (!accessKeyId || !secretAccessKey) return undefined;
  const sessionToken = env['AWS_SESSION_TOKEN'];
  return { accessKeyId, secretAccessKey, ...(sessionToken && { sessionToken }) };
}

/** From the container's endpoint that the environment names, or the instance's. */
export function remoteCredentials(env: Environment): AwsCredentialIdentityProvider {
  const ofContainer = containerCredentials(env);
  if (ofContainer !== undefined) return ofContainer;
  const { AWS_EC2_METADATA_DISABLED: isDisabled = 'false' } = env;
  if (isDisabled === 'false' || isDisabled === '') return instanceCredentials;
  return async () => {
    throw new MetadataProviderError('AWS_EC2_METADATA_DISABLED: the instance is not asked');
  };
}

/** The region that the environment names, or the instance's. */
export function regionOf(env: Environment): () => Promise<string> {
  const named = env['AWS_REGION'] ?? env['AWS_DEFAULT_REGION'];
  return named ? async () => named : once(instanceRegion);
}

/**
 * Keeps credentials until shortly before they expire, and goes on with them where no new ones are to be had: whether they are still good, the
 * store knows. A first failure is not kept.
 */
export function keptUntilTheyExpire(provide: AwsCredentialIdentityProvider): AwsCredentialIdentityProvider {
  let current: AwsCredentialIdentity | undefined;
  let askAgainAt = 0;
  return async (properties) => {
    if (current !== undefined && Date.now() < askAgainAt) return current;
    const known = current;
    const expiresAt = await provide(properties).then(
      (next) => {
        current = next;
        return next.expiration?.getTime() ?? Number.POSITIVE_INFINITY;
      },
      (error: unknown) => {
        if (known === undefined) throw error;
        return Date.now() + EARLY_MS + MINUTE_MS;
      },
    );
    askAgainAt = expiresAt - EARLY_MS;
    return current as AwsCredentialIdentity;
  };
}
