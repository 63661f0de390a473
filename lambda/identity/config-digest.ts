/**
 * What two issuers have to agree on: certificates and CAs. Where a file lies, how often a pass runs and how much it does at once is
 * each issuer's own matter, and a setting that a later version adds changes no digest.
 */

import { digest } from '#contract/combined-pem.ts';
import { type AcmeSettings, configuredCas } from '../config/acme.ts';
import type { CertificateSpec, Config } from '../config/config.ts';

/** @returns SHA-256, in hexadecimal: equal for configurations that ask for the same, in whatever order */
export function configDigest({ acme, fallback, certificates }: Config): string {
  const specs = certificates.map(essenceOfSpec).sort();
  const document = [configuredCas({ acme, fallback }).map(essenceOfCa), ...specs].join('\n');
  return digest(document);
}

function essenceOfCa({ directoryUrl, preferredChain }: AcmeSettings): string {
  return JSON.stringify([directoryUrl, preferredChain ?? null]);
}

function essenceOfSpec(spec: CertificateSpec): string {
  const { name, identifiers, keyTypes, reuseKey, profile = null, fleets, haproxy } = spec;
  const listing = haproxy ? [haproxy.crtListOptions, haproxy.sniFilters] : null;
  const sets = [identifiers, keyTypes, fleets].map((values) => [...values].sort());
  return JSON.stringify([name, sets, reuseKey, profile, listing, ...(spec.imported ? ['imported'] : [])]);
}
