/**
 * The manifest: what a fleet has to serve, and the single commit point of a publication. Entries are self-contained and keyed by
 * certificate name. This file holds what both versions share, and the document of version 1; root.ts holds the signed version 2.
 */
import * as z from 'zod';
import { recordOf } from './collection.ts';
import { dateTime, parseDocument, serializeDocument, sortedByName, VERSION } from './document.ts';
import {
  type CertificateName,
  certificateName,
  directoryUrl,
  type FleetName,
  fleetName,
  layout,
  sha256Hex,
} from './layout.ts';
import { sequenceNumber } from './receipt.ts';
import { statementText } from './statement.ts';

/** One combined PEM: where it is, and what a host can know of it without reading it. */
const pemRef = z.looseObject({
  /** SHA-256 of the combined PEM's bytes; makes its key. */
  sha256: sha256Hex,
  /** Length in bytes. */
  size: z.number().int().positive(),
  /** `ec256`, `ec384`, `rsa2048`, …; any text, because readers only compare it. */
  keyType: z.string(),
  /** Upper-case hexadecimal, as Node and HAProxy print it. */
  serial: z.string().regex(/^[0-9A-F]+$/),
  /** Validity of the leaf. */
  notBefore: dateTime,
  notAfter: dateTime,
  /** Number of certificates in the PEM, the leaf included. */
  chainLength: z.number().int().positive(),
  /** certID of the leaf (RFC 9773 §4.1); absent if the leaf has no authority key identifier. */
  certId: z.string().optional(),
  /** URL of the leaf's OCSP responder; absent if the leaf names none. */
  ocspUrl: z.string().optional(),
  /** Statement of the issuer (receipt.ts); absent in version 1. */
  receipt: statementText.optional(),
  /**
   * The OCSP response to staple (RFC 6960, DER): the SHA-256 that makes its key, its length in bytes (absent: an earlier issuer wrote it), and
   * from when to when it holds.
   */
  ocsp: z
    .looseObject({
      sha256: sha256Hex,
      size: z.number().int().positive().optional(),
      thisUpdate: dateTime,
      nextUpdate: dateTime,
    })
    .optional(),
});

/**
 * The certificate's line on hosts with a crt-list file (HAProxy's configuration manual, "crt-list"). Bounded here; what
 * the words are is checked by `listingProblem` of crt-list.ts, so that a wrong line is the fault of one certificate.
 */
export const listing = z.looseObject({
  /** Each one keyword with its word, for example `alpn h2,http/1.1`. */
  crtListOptions: z.array(z.string().max(1000)).max(50),
  /** Names for which HAProxy serves it; empty: the names in the certificate. */
  sniFilters: z.array(z.string().max(254)).max(500),
});

/** One state of a certificate. */
const publication = z.looseObject({
  publishedAt: dateTime,
  /** One PEM, or two with different key types (RSA and ECDSA) that belong together. */
  pems: z.array(pemRef).min(1).max(2),
});

/** How it was ordered. If the configuration says otherwise, the issuer orders again. */
const acmeOrigin = z.looseObject({
  origin: z.literal('acme').optional(),
  directoryUrl,
  accountUrl: z.url(),
  profile: z.string().optional(),
  preferredChain: z.string().optional(),
});

/** Bought, or of an internal CA: nobody orders it again. Not in version 1. */
const importedOrigin = z.looseObject({ origin: z.literal('imported'), importedAt: dateTime });

/** What the fleet has to serve for one certificate name. */
export const manifestEntry = publication.extend({
  /** Names that the certificate has to carry, as ordered. */
  identifiers: z.array(z.string().max(300)).min(1),
  /** Where it comes from. */
  issued: z.union([acmeOrigin, importedOrigin]),
  /** Of the manifest that published these PEMs first; absent in version 1. */
  sequence: sequenceNumber.optional(),
  /** Absent: each host lists it by its own settings. */
  haproxy: listing.optional(),
  /** An operator has put these PEMs in force again; absent: they came new. */
  rolledBackAt: dateTime.optional(),
  /** The publication before this one. */
  previous: publication.optional(),
});

/** A manifest of 32 MiB has room for some 25,000. */
export const MAX_CERTIFICATES = 50_000;

/** Of one tombstone. */
export const MAX_ENDED_PEMS = 1000;

/** With a `reason` of its own, its `reason`, `at` and `by` count in place of the tombstone's: `wordOf` says which. */
const tombstonePem = z.looseObject({
  sha256: sha256Hex,
  notAfter: dateTime,
  reason: z.string().max(64).optional(),
  at: dateTime.optional(),
  by: z.array(certificateName).max(100).optional(),
});

/** PEMs that a host has to give up, though they are valid: no other word of the issuer takes a certificate away. */
export const tombstone = z.looseObject({
  /**
   * `withdrawn`, `revoked`: an operator's word; `superseded`: other certificates are proved for all its names. A host obeys a word that it does
   * not know as it obeys `withdrawn`.
   */
  reason: z.string().max(64),
  /** Time of that word. */
  at: dateTime,
  /** Superseded: the certificates that took its place. A host gives it up when it serves them. */
  by: z.array(certificateName).max(100).optional(),
  /**
   * Time of the last word that somebody has its keys: hosts delete at once what they kept of this file under other names before. Absent:
   * nobody has said so.
   */
  stolenAt: dateTime.optional(),
  /** Every valid PEM that was published under the name; the tombstone stays until 30 days after the last of them has expired. */
  pems: z.array(tombstonePem).min(1).max(MAX_ENDED_PEMS),
});

const manifestVersion1 = z.looseObject({
  version: z.literal(VERSION),
  /** The same as in the key: a manifest in the wrong place is visible. */
  fleet: fleetName,
  /** Time of the last change. */
  updatedAt: dateTime,
  certificates: recordOf(certificateName, manifestEntry, MAX_CERTIFICATES),
});

export type PemRef = z.infer<typeof pemRef>;
export type ManifestEntry = z.infer<typeof manifestEntry>;
export type Tombstone = z.infer<typeof tombstone>;
/** Why a PEM was ended, when, and what took its place. */
export type EndingWord = Pick<Tombstone, 'reason' | 'at' | 'by'>;
export type AcmeOrigin = z.infer<typeof acmeOrigin>;

/** As a reader has it, of either version. */
export interface Manifest {
  version: 1 | 2;
  fleet: FleetName;
  updatedAt: string;
  certificates: Record<CertificateName, ManifestEntry>;
  /** Version 2; root.ts has what each means. */
  lineage?: string;
  sequence?: number;
  signedAt?: string;
  requires?: string[];
  keyRetentionDays?: number | undefined;
  tombstones?: Record<CertificateName, Tombstone>;
}

/** @throws ContractError `ERR_MANIFEST_SCHEMA`, `ERR_MANIFEST_VERSION` */
export function parseManifest(fleet: FleetName, body: Buffer): Manifest {
  const codes = { schema: 'ERR_MANIFEST_SCHEMA', version: 'ERR_MANIFEST_VERSION' } as const;
  return parseDocument(manifestVersion1, codes, layout.manifest(fleet), body);
}

/** Version 1. Sorts the names: equal content gives equal bytes. */
export function serializeManifest(document: Manifest): string {
  return serializeDocument({ ...document, certificates: sortedByName(document.certificates) });
}

/** @returns undefined for a certificate that nobody ordered */
export function acmeOriginOf({ issued }: Pick<ManifestEntry, 'issued'>): AcmeOrigin | undefined {
  return issued.origin === 'imported' ? undefined : (issued as AcmeOrigin);
}

/** What a tombstone says of one of its PEMs. */
export function wordOf(tombstone: Tombstone, pem: Tombstone['pems'][number]): EndingWord {
  const { reason = tombstone.reason, at = tombstone.at, by } = pem.reason === undefined ? tombstone : pem;
  return { reason, at, ...(by && { by }) };
}

/** The manifest of a fleet that has none. */
export function emptyManifest(fleet: FleetName, now: Date): Manifest {
  return { version: VERSION, fleet, updatedAt: now.toISOString(), certificates: {} };
}

interface Pems {
  pems: PemRef[];
}

interface Listed extends Pems {
  haproxy?: z.infer<typeof listing> | undefined;
}

/** Same certificates, no matter when they were published. */
export function samePems(a: Pems | undefined, b: Pems | undefined): boolean {
  return sameBy((pem) => pem.sha256, a, b);
}

/** Same certificates with the same OCSP responses and the same line in crt-lists. */
export function sameEntry(a: Listed | undefined, b: Listed | undefined): boolean {
  return sameStapled(a, b) && JSON.stringify(a?.haproxy) === JSON.stringify(b?.haproxy);
}

/** Same certificates with the same OCSP responses. */
export function sameStapled(a: Pems | undefined, b: Pems | undefined): boolean {
  return sameBy((pem) => `${pem.sha256} ${pem.ocsp?.sha256}`, a, b);
}

function sameBy(idOf: (pem: PemRef) => string, ...both: (Pems | undefined)[]): boolean {
  const [a, b] = both.map((publication) => publication?.pems.map(idOf).sort().join());
  return a === b;
}
