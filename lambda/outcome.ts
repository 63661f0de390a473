import type { CertificateName, FleetName } from '#contract/layout.ts';
import type { ManifestEntry } from '#contract/manifest.ts';
import type { ReadManifest } from './publication/publisher.ts';

/** What became of every certificate, and what every fleet shall serve now. */
export interface PassResult {
  outcomes: Outcome[];
  manifests: ReadonlyMap<FleetName, ReadManifest | undefined>;
  /** Fleets that were given something new. */
  changed: readonly FleetName[];
}

export interface PassOptions {
  /** Decide and tell, change nothing. */
  dryRun?: boolean;
  /** Renew what is not due. */
  force?: boolean;
  /** A fresh key even where `reuseKey` is set: the old one is compromised. */
  freshKey?: boolean;
  /** Only these certificates. */
  only?: readonly CertificateName[];
}

export interface Outcome {
  certificate: CertificateName;
  result: 'issued' | 'planned' | 'kept' | 'deferred' | 'postponed' | 'failed';
  reason: string;
  identifiers: readonly string[];
  until?: string;
  serial?: string;
  notAfter?: string;
  error?: { code: string; message: string };
  /** Of what is planned: where the CA will look for the answers, if that is not the name itself (DNS-01). */
  places?: readonly string[];
}

export function currentPem(entry: ManifestEntry | undefined): Pick<Outcome, 'serial' | 'notAfter'> {
  const [pem] = entry?.pems ?? [];
  return pem === undefined ? {} : { serial: pem.serial, notAfter: pem.notAfter };
}
