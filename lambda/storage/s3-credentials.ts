/**
 * AWS credentials and region of a host or a function: from the environment, a container's endpoint, or instance
 * metadata (IMDSv2 only). For profiles, SSO or web identity, open-host.ts takes the whole SDK instead.
 */
import type { AwsCredentialIdentity, AwsCredentialIdentityProvider } from '@smithy/types';
import { once } from '#common/once.ts';
import { MINUTE_MS } from '#common/time.ts';
import { containerCredentials, instanceCredentials, instanceRegion } from './metadata/instance.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** Credentials are fetched again this long before they expire. */
const EARLY_MS = 5 * MINUTE_MS;

export function credentialsOf(env: Environment): AwsCredentialIdentityProvider {
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } = env;
  if (accessKeyId && secretAccessKey) {
    const sessionToken = env['AWS_SESSION_TOKEN'];
    const keys = { accessKeyId, secretAccessKey };
    return async () => (sessionToken ? { ...keys, sessionToken } : keys);
  }
  const path = env['AWS_CONTAINER_CREDENTIALS_RELATIVE_URI'];
  const authorization = env['AWS_CONTAINER_AUTHORIZATION_TOKEN'];
  return cached(path ? () => containerCredentials(path, authorization) : instanceCredentials);
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
function cached(provide: AwsCredentialIdentityProvider): AwsCredentialIdentityProvider {
  let current: AwsCredentialIdentity | undefined;
  let askAgainAt = 0;
  return async () => {
    if (current !== undefined && Date.now() < askAgainAt) return current;
    const known = current;
    const expiresAt = await provide().then(
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
