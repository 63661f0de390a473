/**
 * Credentials for AWS's SDK, from where its own chain takes them, in its order: environment, profile, process, web identity, container,
 * instance. The SDK reads the last two without a limit in bytes, and waits as long as something drips: this machine's own reader has both
 * limits (instance.ts).
 */
import type { AwsCredentialIdentityProvider } from '@smithy/types';
import { keptUntilTheyExpire, keysIn, remoteCredentials } from '#storage/s3-credentials.ts';
import { MetadataProviderError } from './instance.ts';

/** For `credentials` of a client: the SDK asks again shortly before they expire. */
export function sdkCredentials(): AwsCredentialIdentityProvider {
  return keptUntilTheyExpire(async (properties) => {
    const { env } = process;
    const keys = env['AWS_PROFILE'] ? undefined : keysIn(env);
    if (keys !== undefined) return keys;
    // Where keys are in the environment, as in a function, nothing of it is loaded.
    const { namedCredentials } = await import('./named-credentials.ts');
    const named = await namedCredentials(properties);
    if (named !== undefined) return named;
    return remoteCredentials(env)().catch((error: unknown) => {
      if (!(error instanceof MetadataProviderError)) throw error;
      const says = `neither environment nor profile has credentials, and ${error.message}`;
      throw new MetadataProviderError(says, { cause: error });
    });
  });
}
