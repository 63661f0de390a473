import { isPrivateAddress } from '#common/public-address.ts';
import type { AcmeSettings } from '../config/acme.ts';

/**
 * Whether the CA, by what is configured, is one of a private network, and may name addresses there.
 * @returns undefined: the configuration does not say so; where its directory answers from shows it
 */
export function isPrivateCa({
  allowPrivate,
  caFile,
  directoryUrl,
}: Pick<AcmeSettings, 'allowPrivate' | 'caFile' | 'directoryUrl'>): boolean | undefined {
  const host = new URL(directoryUrl).hostname.replace(/^\[(.*)\]$/, '$1');
  const isThere = caFile !== undefined || host === 'localhost' || isPrivateAddress(host);
  return allowPrivate ?? (isThere || undefined);
}
