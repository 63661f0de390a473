/**
 * What a fleet shall serve: the single commit point of a publication. Entries are self-contained and keyed by
 * certificate name, so that a large fleet can be split by name into several manifests without a new format.
 */
import * as z from 'zod';
import { parseDocument, serializeDocument, VERSION } from './document.ts';
import {
  type CertificateName,
  certificateName,
  type FleetName,
  fleetName,
  layout,
  sha256Hex,
} from './layout.ts';

const instant = z.iso.datetime();

const pemRef = z.looseObject({
  /** SHA-256 of the combined PEM's bytes; also its key. */
  sha256: sha256Hex,
  /** Bytes. */
  size: z.number().int().positive(),
  /** `ec256`, `ec384`, `rsa2048`, …; open, because a reader needs no list. */
  keyType: z.string(),
  /** Upper-case hexadecimal, as Node and HAProxy print it. */
  serial: z.string().regex(/^[0-9A-F]+$/),
  notBefore: instant,
  notAfter: instant,
  /** Certificates in the PEM, the leaf included. */
  chainLength: z.number().int().positive(),
  /** RFC 9773 §4.1 certID of the leaf; absent where the leaf has no authority key identifier. */
  certId: z.string().optional(),
  /** Where the leaf's status can be asked for; absent where the leaf names no OCSP responder. */
  ocspUrl: z.string().optional(),
  /** The response (RFC 6960, DER) to be stapled. */
  ocsp: z.looseObject({ sha256: sha256Hex, thisUpdate: instant, nextUpdate: instant }).optional(),
});

const publication = z.looseObject({
  publishedAt: instant,
  /** One PEM, or two of different key types (RSA and ECDSA) that belong together. */
  pems: z.array(pemRef).min(1).max(2),
});

const entry = publication.extend({
  /** Names that the certificate must carry, as ordered. */
  identifiers: z.array(z.string()).min(1),
  /** How it was ordered: a change of these is a reason to order again. */
  issued: z.looseObject({
    directoryUrl: z.url(),
    accountUrl: z.url(),
    profile: z.string().optional(),
    preferredChain: z.string().optional(),
  }),
  /** The publication before this one, for a rollback. */
  previous: publication.optional(),
});

const manifest = z.looseObject({
  version: z.literal(VERSION),
  fleet: fleetName,
  updatedAt: instant,
  certificates: z.record(certificateName, entry),
});

export type PemRef = z.infer<typeof pemRef>;
export type ManifestEntry = z.infer<typeof entry>;
export type Manifest = z.infer<typeof manifest>;

/** @throws ContractError `ERR_MANIFEST_SCHEMA`, `ERR_MANIFEST_VERSION` */
export function parseManifest(fleet: FleetName, body: Buffer): Manifest {
  const codes = { schema: 'ERR_MANIFEST_SCHEMA', version: 'ERR_MANIFEST_VERSION' } as const;
  return parseDocument(manifest, codes, layout.manifest(fleet), body);
}

/** Equal content gives equal bytes: names are sorted. */
export function serializeManifest(document: Manifest): string {
  const sorted = Object.entries(document.certificates).sort(([a], [b]) => (a < b ? -1 : 1));
  return serializeDocument({ ...document, certificates: Object.fromEntries(sorted) });
}

export function emptyManifest(fleet: FleetName, now: Date): Manifest {
  return { version: VERSION, fleet, updatedAt: now.toISOString(), certificates: {} };
}

export function entryOf(document: Manifest | undefined, name: CertificateName): ManifestEntry | undefined {
  return document?.certificates[name];
}

interface Pems {
  pems: PemRef[];
}

/** Same certificates, whoever published them and when. */
export function samePems(a: Pems | undefined, b: Pems | undefined): boolean {
  return sameBy((pem) => pem.sha256, a, b);
}

/** Same certificates with the same OCSP responses. */
export function sameStapled(a: Pems | undefined, b: Pems | undefined): boolean {
  return sameBy((pem) => `${pem.sha256} ${pem.ocsp?.sha256}`, a, b);
}

function sameBy(idOf: (pem: PemRef) => string, ...both: (Pems | undefined)[]): boolean {
  const [a, b] = both.map((publication) => publication?.pems.map(idOf).sort().join());
  return a === b;
}
