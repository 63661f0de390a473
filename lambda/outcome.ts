/** What a pass returns: to the programs, the metrics and the fleets. */
import type { CertificateName, FleetName } from '#contract/layout.ts';
import type { ManifestEntry } from '#contract/manifest.ts';
import type { OwnKeys, ReadManifest } from './publication/read-manifest.ts';

/** What became of every certificate, and what every fleet serves from now on. */
export interface PassResult {
  outcomes: Outcome[];
  manifests: ReadonlyMap<FleetName, ReadManifest | undefined>;
  /** Fleets whose manifest this pass has written. */
  changed: readonly FleetName[];
  /** Of the issuer; absent: the pass did not come so far. */
  keys?: OwnKeys;
  /** Fleets whose manifest cannot be read: they are not in `manifests`. */
  unreadable?: readonly FleetName[];
  /** What ended the pass before its end. The programs throw it when they have said what was done until then. */
  error?: unknown;
}

export interface Outcome {
  certificate: CertificateName;
  result: 'issued' | 'planned' | 'kept' | 'deferred' | 'postponed' | 'failed';
  reason: string;
  identifiers: readonly string[];
  /** RFC 3339: kept or deferred until then. */
  until?: string | undefined;
  /** Of the published certificate; of a pair, the elliptic one. */
  serial?: string | undefined;
  notAfter?: string | undefined;
  error?: { code: string; message: string } | undefined;
  /** Of what is planned: where the CA will look for the answers, if that is not the name itself (DNS-01). */
  places?: readonly string[] | undefined;
}

/** What people see of a published certificate. */
export function currentPem(entry: ManifestEntry | undefined): Pick<Outcome, 'serial' | 'notAfter'> {
  const [pem] = entry?.pems ?? [];
  return pem === undefined ? {} : { serial: pem.serial, notAfter: pem.notAfter };
}
