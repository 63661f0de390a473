/** The files that the manifest wants on this host. */
import { type CertificateName, type FleetName, layout, pemFileName } from '#contract/layout.ts';
import type { Manifest } from '#contract/manifest.ts';
import { entriesOf } from '#contract/shard/content.ts';
import type { Listing } from '../haproxy/crt-list-line.ts';

/** A name of a certificate for which HAProxy hands out another certificate. */
interface Shadow {
  name: string;
  /** The file that it hands out instead. */
  by: string;
  /** Why that one is served: `it was issued later`. */
  why: string;
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
  /** A root has issued the leaf itself: it was imported without an intermediate. */
  isIssuedByRoot?: boolean | undefined;
  /** Validity of the leaf. */
  notBefore: Date;
  notAfter: Date;
  publishedAt: Date;
  /** Of the manifest that published it first; version 1 does not say. */
  sequence?: number | undefined;
  /** The issuer's statement about it (receipt.ts), where the manifest has one. */
  receipt?: string | undefined;
  /** The manifest names neither it nor its end: it is as the disk has it (unlisted.ts). */
  isUnlisted?: true;
  /** Superseded, and served until what takes its place is: it stands behind all others. */
  isEnding?: true;
  identifiers: readonly string[];
  /** All names of the leaf, where it has been read: a CA may have added some. */
  names?: readonly string[] | undefined;
  /** HAProxy has a certificate with another kind of key for one of its names: a handshake must ask for one kind. */
  isPair: boolean;
  staple?: DesiredStaple | undefined;
  /** Files that share a name with it, itself included, in the order in which HAProxy is to have them; absent: none does. */
  namesakes?: readonly string[] | undefined;
  /** For each set of files that share a name: one of the names for which this file is served and the others are not. */
  precedences?: readonly string[] | undefined;
  /** Its names that a file of others has, too: a handshake must ask for each of them. */
  contested?: readonly string[] | undefined;
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
  return [...entriesOf(manifest)].flatMap(([certificate, entry]) => {
    // One beyond the manifest's own would keep each later entry out.
    const sequence = entry.sequence && Math.min(entry.sequence, manifest.sequence ?? 1);
    return entry.pems.map((pem) => ({
      file: pemFileName(certificate, pem.keyType, entry.pems.length),
      certificate,
      key: layout.pem(fleet, certificate, pem.sha256),
      sha256: pem.sha256,
      size: pem.size,
      serial: pem.serial,
      keyType: pem.keyType,
      chainLength: pem.chainLength,
      isIssuedByRoot: entry.issued.origin === 'imported' && pem.chainLength === 1,
      notBefore: new Date(pem.notBefore),
      notAfter: new Date(pem.notAfter),
      publishedAt: new Date(entry.publishedAt),
      sequence,
      receipt: pem.receipt,
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
