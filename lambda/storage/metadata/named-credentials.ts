/** What only the SDK understands: shared configuration files with SSO and roles, programs that give credentials, web identity. */
import { fromIni, fromProcess, fromTokenFile } from '@aws-sdk/credential-providers';
import type { AwsCredentialIdentity, AwsCredentialIdentityProvider } from '@smithy/types';

/**
 * @param properties what the SDK hands to a provider: the client that asks
 * @returns undefined: none of them is set up
 * @throws what is set up, and gives no credentials
 */
export async function namedCredentials(
  properties: Parameters<AwsCredentialIdentityProvider>[0],
): Promise<AwsCredentialIdentity | undefined> {
  for (const provide of [fromIni(), fromProcess(), fromTokenFile()] as AwsCredentialIdentityProvider[]) {
    try {
      return await provide(properties);
    } catch (error) {
      if ((error as { tryNextLink?: boolean }).tryNextLink !== true) throw error;
    }
  }
  return undefined;
}
