/** Domain names that stand for a CA in CAA records and in records of dns-persist-01, for where its directory cannot be asked. */

import type { AcmeSettings } from './acme.ts';
import { DIRECTORIES } from './acme.ts';

/** As the directories (`meta.caaIdentities`) and the documentation of these CAs say; 2026-11. */
const IDENTITIES: Readonly<Record<string, readonly string[]>> = {
  letsencrypt: ['letsencrypt.org'],
  'letsencrypt-staging': ['letsencrypt.org'],
  google: ['pki.goog'],
  zerossl: ['sectigo.com', 'trust-provider.com', 'usertrust.com', 'comodoca.com', 'comodo.com'],
};

/** Those that are configured, or those of a known CA; empty: only its directory can say. */
export function caaIdentitiesOf({ caaIdentities, directoryUrl }: AcmeSettings): readonly string[] {
  if (caaIdentities !== undefined) return caaIdentities;
  const [name = ''] = Object.entries(DIRECTORIES).find(([, url]) => url === directoryUrl) ?? [];
  return IDENTITIES[name] ?? [];
}
