/** The names that a configuration proves by dns-persist-01; pure. */

import type { CertificateSpec } from '../config/config.ts';
import { withoutWildcard } from '../config/identifier.ts';

/** By name without `*.`, in the order of the configuration: whether its wildcard is ordered, too. */
export function persistNames(
  certificates: readonly Pick<CertificateSpec, 'challenge' | 'identifiers'>[],
): ReadonlyMap<string, boolean> {
  const names = new Map<string, boolean>();
  for (const { challenge, identifiers } of certificates) {
    if (!challenge.includes('dns-persist-01')) continue;
    for (const identifier of identifiers) {
      const name = withoutWildcard(identifier);
      names.set(name, (names.get(name) ?? false) || identifier !== name);
    }
  }
  return names;
}
