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

/** Printable, without the brackets that HAProxy puts around the options. */
const CRT_LIST_OPTION = /^[!-Z\\^-~]+( [!-Z\\^-~]+)*$/;
const SNI_FILTER = /^(\*|!?(\*\.)?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*)$/;

/** How hosts with a crt-list file shall list it (HAProxy's configuration manual, "crt-list"). */
export const listing = z.looseObject({
  /** One keyword with its arguments each, for example `alpn h2,http/1.1`. */
  crtListOptions: z
    .array(z.string().max(1000).regex(CRT_LIST_OPTION, 'must be an option of a crt-list line'))
    .max(50),
  /** Names under which it is served; none: the names in the certificate. */
  sniFilters: z
    .array(
      z
        .string()
        .max(254)
        .regex(SNI_FILTER, 'must be a name, *.name, or *; with ! before it: not for that name'),
    )
    .max(500),
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
  /** Absent: the hosts list it as they are told there. */
  haproxy: listing.optional(),
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

interface Listed extends Pems {
  haproxy?: z.infer<typeof listing> | undefined;
}

/** Same certificates, whoever published them and when. */
export function samePems(a: Pems | undefined, b: Pems | undefined): boolean {
  return sameBy((pem) => pem.sha256, a, b);
}

/** Same certificates with the same OCSP responses, listed in the same way. */
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
