/**
 * The last versions of a certificate in a fleet, newest first: which digests were published under its name, until when they hold, and what
 * brings them back after a loss (restorable.ts). No host needs it. It is written after the commit: what fails here is the history's loss, not the publication's.
 */
import { X509Certificate } from 'node:crypto';
import * as z from 'zod';
import { listOf } from '#contract/collection.ts';
import { dateTime } from '#contract/document.ts';
import { isObjectFault } from '#contract/errors.ts';
import { type CertificateName, type FleetName, layout, sha256Hex } from '#contract/layout.ts';
import { type ManifestEntry, manifestEntry } from '#contract/manifest.ts';
import { sequenceNumber } from '#contract/receipt.ts';
import type { Bucket } from '#storage/bucket.ts';
import { parseCached, readCached, serializeCached } from '#storage/cached-document.ts';

const MAX_VERSIONS = 10;
/** A version that came back has its place each time, and pushes out none that is older. */
const MAX_PLACES = 30;

const publishedPem = z.object({
  sha256: sha256Hex,
  keyType: z.string(),
  serial: z.string(),
  notBefore: dateTime,
  notAfter: dateTime,
  /** The leaf, DER in base64: kept when its PEM is deleted with the key, for a CA revokes by the certificate itself. */
  certificate: z.base64().max(100_000).optional(),
  /** At its CA, by an operator's word, and for which reason; absent: it was not, or an earlier issuer did not say. */
  revoked: z.object({ at: dateTime, reason: z.string().max(64) }).optional(),
});

const publishedVersion = z.object({
  publishedAt: dateTime,
  /** Of the manifest that published it first; absent: before version 2. */
  sequence: sequenceNumber.optional(),
  pems: listOf(publishedPem, 2),
  /** What an entry needs beside its PEMs; absent: written before these were kept, or by the publication's successor. */
  identifiers: manifestEntry.shape.identifiers.optional(),
  issued: manifestEntry.shape.issued.optional(),
  /** When the issuer deleted a private key of it; absent: it has not, or an earlier issuer did. */
  keyDeletedAt: dateTime.optional(),
  /** Why it was published, by whom and by which command, as the audit trail says; absent: an earlier issuer did not say. */
  why: z
    .object({
      action: z.string(),
      reason: z.string().optional(),
      by: z.string(),
      command: z.string(),
    })
    .optional(),
});

const historyDocument = z.object({ version: z.literal(1), versions: listOf(publishedVersion, 100) });

export type PublishedVersion = z.infer<typeof publishedVersion>;

/** @returns newest first; none where the history cannot be read. @throws BucketError where the store is out of reach */
export async function readHistory(
  bucket: Bucket,
  fleet: FleetName,
  name: CertificateName,
): Promise<PublishedVersion[]> {
  const { value } = await readCached(bucket, layout.history(fleet, name), historyDocument);
  return value?.versions ?? [];
}

/** There is one, and it cannot be read: what it said is lost. @throws BucketError where the store is out of reach */
export async function isHistorySpoilt(
  bucket: Bucket,
  fleet: FleetName,
  name: CertificateName,
): Promise<boolean> {
  try {
    const object = await bucket.get(layout.history(fleet, name));
    return object !== undefined && parseCached(object.body, historyDocument) === undefined;
  } catch (error) {
    if (isObjectFault(error)) return true;
    throw error;
  }
}

/** Writes nothing if these PEMs are its newest version already: other staples make no version. @throws BucketError */
export async function addToHistory(
  bucket: Bucket,
  fleet: FleetName,
  [name, entry]: readonly [CertificateName, ManifestEntry],
  why?: PublishedVersion['why'],
): Promise<void> {
  const before = await readHistory(bucket, fleet, name);
  const former = before.length === 0 && entry.previous !== undefined ? [versionOf(entry.previous)] : before;
  const version = { ...versionOf(entry), ...(why && { why }) };
  const [newest] = former;
  if (newest !== undefined && idOf(newest) === idOf(version)) return;
  const versions = newestOf([version, ...former]);
  await bucket.put(layout.history(fleet, name), serializeCached({ version: 1, versions }));
}

/** Of what came back more than once, the oldest places go first. */
function newestOf(all: readonly PublishedVersion[]): PublishedVersion[] {
  const ids = new Set([...new Set(all.map(idOf))].slice(0, MAX_VERSIONS));
  const kept = all.filter((version) => ids.has(idOf(version)));
  while (kept.length > MAX_PLACES) {
    const last = kept.findLastIndex((version, index) =>
      kept.slice(0, index).some((other) => idOf(other) === idOf(version)),
    );
    kept.splice(last, 1);
  }
  return kept;
}

/**
 * Notes that the keys of these PEMs are deleted.
 * @returns serials of the versions that they belong to, as far as the history has them. @throws BucketError
 */
export async function noteKeysDeleted(
  bucket: Bucket,
  [fleet, name]: readonly [FleetName, CertificateName],
  sha256s: ReadonlySet<string>,
  { at, leafOf }: { at: Date; leafOf: (sha256: string) => Promise<X509Certificate | undefined> },
): Promise<string[]> {
  const versions = await readHistory(bucket, fleet, name);
  const isOf = ({ pems }: PublishedVersion) => pems.some(({ sha256 }) => sha256s.has(sha256));
  const deleted = versions.filter(isOf);
  if (deleted.length === 0) return [];
  const keepLeaf = async (pem: PublishedVersion['pems'][number]) => {
    if (!sha256s.has(pem.sha256) || pem.certificate !== undefined) return pem;
    const leaf = await leafOf(pem.sha256);
    return leaf === undefined ? pem : { ...pem, certificate: leaf.raw.toString('base64') };
  };
  const noted = await Promise.all(
    versions.map(async (version) => {
      if (!isOf(version)) return version;
      const pems = await Promise.all(version.pems.map(keepLeaf));
      return { ...version, pems, keyDeletedAt: version.keyDeletedAt ?? at.toISOString() };
    }),
  );
  await bucket.put(layout.history(fleet, name), serializeCached({ version: 1, versions: noted }));
  const pems = deleted.flatMap((version) => version.pems).filter(({ sha256 }) => sha256s.has(sha256));
  return pems.map(({ serial }) => serial);
}

/** Notes that a CA has revoked these PEMs, each once for one reason; `keyCompromise` stands. @throws BucketError */
export async function noteRevoked(
  bucket: Bucket,
  [fleet, name]: readonly [FleetName, CertificateName],
  sha256s: ReadonlySet<string>,
  { at, reason }: { at: Date; reason: string },
): Promise<void> {
  const versions = await readHistory(bucket, fleet, name);
  const isNews = ({ sha256, revoked }: PublishedVersion['pems'][number]) =>
    sha256s.has(sha256) && revoked?.reason !== reason && revoked?.reason !== 'keyCompromise';
  if (!versions.some(({ pems }) => pems.some(isNews))) return;
  const revoked = { at: at.toISOString(), reason };
  const noted = versions.map((version) => {
    return { ...version, pems: version.pems.map((pem) => (isNews(pem) ? { ...pem, revoked } : pem)) };
  });
  await bucket.put(layout.history(fleet, name), serializeCached({ version: 1, versions: noted }));
}

/** Of a PEM that was deleted with its key. @returns undefined where it was not kept */
export function keptLeaf({
  certificate,
  serial,
}: PublishedVersion['pems'][number]): X509Certificate | undefined {
  if (certificate === undefined) return undefined;
  try {
    const leaf = new X509Certificate(Buffer.from(certificate, 'base64'));
    return leaf.serialNumber === serial ? leaf : undefined;
  } catch {
    // Whoever has changed the history has lost it.
    return undefined;
  }
}

type Versioned = Pick<ManifestEntry, 'publishedAt' | 'sequence' | 'pems'> &
  Partial<Pick<ManifestEntry, 'identifiers' | 'issued'>>;

function versionOf({ publishedAt, sequence, pems, identifiers, issued }: Versioned): PublishedVersion {
  return {
    publishedAt,
    ...(sequence !== undefined && { sequence }),
    pems: pems.map(({ sha256, keyType, serial, notBefore, notAfter }) => {
      return { sha256, keyType, serial, notBefore, notAfter };
    }),
    ...(identifiers && { identifiers }),
    ...(issued && { issued }),
  };
}

function idOf({ pems }: PublishedVersion): string {
  return pems.map(({ sha256 }) => sha256).join();
}
