import { isPrivateAddress } from '#common/public-address.ts';
import type { AcmeSettings } from '../config/acme.ts';

/** Whether the CA, by what is configured, is one of a private network, and may name addresses there. */
export function isPrivateCa({
  allowPrivate,
  caFile,
  directoryUrl,
}: Pick<AcmeSettings, 'allowPrivate' | 'caFile' | 'directoryUrl'>): boolean {
  const host = new URL(directoryUrl).hostname.replace(/^\[(.*)\]$/, '$1');
  return allowPrivate ?? (caFile !== undefined || host === 'localhost' || isPrivateAddress(host));
}
