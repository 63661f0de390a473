/** Domain names that stand for a CA in CAA records and in records of dns-persist-01, for where its directory cannot be asked. */
import type { AcmeSettings } from './acme.ts';
import { knownCaOf } from './known-cas.ts';

/** Those that are configured, or those of a known CA; empty: only its directory can say. */
export function caaIdentitiesOf({ caaIdentities, directoryUrl }: AcmeSettings): readonly string[] {
  return caaIdentities ?? knownCaOf(directoryUrl)?.caaIdentities ?? [];
}
