/** The files that the manifest wants on this host. */
import { type CertificateName, type FleetName, layout, pemFileName } from '#contract/layout.ts';
import type { Manifest } from '#contract/manifest.ts';
import type { Listing } from '../haproxy/crt-list-line.ts';

/** A name of a certificate for which HAProxy hands out another certificate. */
interface Shadow {
  name: string;
  /** The file that it hands out instead. */
  by: string;
}

export const stapleFileOf = (file: string): string => `${file}.ocsp`;

/** @returns undefined for an expired one, for which HAProxy would refuse the whole update */
export function stapleOf({ staple }: DesiredFile, now: Date): DesiredStaple | undefined {
  return staple !== undefined && now < new Date(staple.nextUpdate) ? staple : undefined;
}

export interface DesiredFile {
  /** Name in HAProxy's directory. */
  file: string;
  certificate: CertificateName;
  /** Where its combined PEM is in the bucket. */
  key: string;
  sha256: string;
  size: number;
  serial: string;
  keyType: string;
  chainLength: number;
  identifiers: readonly string[];
  /** An RSA and an ECDSA file belong together: a handshake must ask for one key type. */
  isPair: boolean;
  staple?: DesiredStaple | undefined;
  /** Files that share a name with it, itself included, sorted; absent: none does. */
  namesakes?: readonly string[] | undefined;
  /** Its names for which HAProxy hands out another file. */
  shadows?: readonly Shadow[] | undefined;
  /** How the manifest wants it listed in a crt-list file. */
  listing?: Listing | undefined;
  /** What is wrong with the manifest's line, which counts as none then; absent: nothing. */
  lineProblem?: string | undefined;
}

/** The OCSP response that HAProxy is to send along, in a file of its own beside the PEM. */
interface DesiredStaple {
  key: string;
  sha256: string;
  nextUpdate: string;
}

export function desiredFiles(fleet: FleetName, manifest: Manifest): DesiredFile[] {
  return Object.entries(manifest.certificates).flatMap(([name, entry]) => {
    const certificate = name as CertificateName;
    return entry.pems.map((pem) => ({
      file: pemFileName(certificate, pem.keyType, entry.pems.length),
      certificate,
      key: layout.pem(fleet, certificate, pem.sha256),
      sha256: pem.sha256,
      size: pem.size,
      serial: pem.serial,
      keyType: pem.keyType,
      chainLength: pem.chainLength,
      identifiers: entry.identifiers,
      isPair: entry.pems.length > 1,
      listing: entry.haproxy,
      staple: pem.ocsp && {
        key: layout.ocsp(fleet, certificate, pem.sha256, pem.ocsp.sha256),
        sha256: pem.ocsp.sha256,
        nextUpdate: pem.ocsp.nextUpdate,
      },
    }));
  });
}
