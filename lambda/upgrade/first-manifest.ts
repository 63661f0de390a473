/**
 * The first manifest that a fleet gets signed: what an issuer of version 1 has published there. Nothing of it bears a signature, so each
 * PEM is verified like one that a CA has just issued; whose CA it was, nothing but `manifest.json` says. It happens once, and only in
 * fleets that had a manifest when the signing key was made: later, whoever may write to `published/` may have put it there.
 */
import { inParallel } from '#common/in-parallel.ts';
import { verify } from '#contract/combined-pem.ts';
import { isObjectFault, messageOf, PemRejected } from '#contract/errors.ts';
import type { CertificateName, FleetName } from '#contract/layout.ts';
import type { Manifest, ManifestEntry, PemRef } from '#contract/manifest.ts';
import type { Bucket } from '#storage/bucket.ts';
import type { IssuerMemory } from '../publication/ended.ts';
import { pemRefOf, readPem } from '../publication/entry.ts';
import { type CurrentVersion1, readVersion1 } from '../publication/version1.ts';

/** Read at the same time. */
const CONCURRENCY = 10;

export interface FirstManifest {
  /** With the entries that passed. */
  manifest: Manifest;
  etag: string;
  /** By certificate: why its entry did not pass. It is ordered anew if it is configured. */
  refused: ReadonlyMap<CertificateName, string>;
}

export interface FirstManifestOptions {
  keys: { isInherited(fleet: FleetName): boolean };
  memory: Pick<IssuerMemory, 'of'>;
  now: Date;
  /** `manifest.json`; absent: it is read. */
  current?: CurrentVersion1 | undefined;
}

/**
 * @returns undefined if there is nothing to take over
 * @throws ContractError if `manifest.json` cannot be read; BucketError
 */
export async function readFirstManifest(
  bucket: Bucket,
  fleet: FleetName,
  { keys, memory, now, current }: FirstManifestOptions,
): Promise<FirstManifest | undefined> {
  // A fleet that ever had a root takes nothing over.
  const { key } = await memory.of(fleet);
  if (key !== undefined || !keys.isInherited(fleet)) return undefined;
  const { manifest, etag, fault } = current ?? (await readVersion1(bucket, fleet));
  if (fault !== undefined) throw fault;
  if (manifest === undefined) return undefined;
  const entries = Object.entries(manifest.certificates) as [CertificateName, ManifestEntry][];
  const judge = ([name, entry]: (typeof entries)[number]) =>
    verifiedEntry(bucket, fleet, { name, entry, now });
  const judged = await inParallel(entries, CONCURRENCY, judge, ([name]) => name);
  const passed = judged.flatMap(({ name, entry }) => (entry ? [[name, entry] as const] : []));
  return {
    manifest: { ...manifest, certificates: Object.fromEntries(passed) },
    etag: etag ?? '',
    refused: new Map(judged.flatMap(({ name, refused }) => (refused ? [[name, refused] as const] : []))),
  };
}

interface Judged {
  name: CertificateName;
  entry?: ManifestEntry;
  refused?: string;
}

async function verifiedEntry(
  bucket: Bucket,
  fleet: FleetName,
  { name, entry, now }: { name: CertificateName; entry: ManifestEntry; now: Date },
): Promise<Judged> {
  try {
    const pems: PemRef[] = [];
    for (const { sha256 } of entry.pems) {
      const { text } = await readPem(bucket, fleet, name, { sha256 });
      pems.push(pemRefOf({ text, pem: verify(text, { identifiers: entry.identifiers, sha256 }, now) }));
    }
    return { name, entry: withPems(entry, pems, now) };
  } catch (error) {
    if (error instanceof PemRejected || isObjectFault(error)) return { name, refused: messageOf(error) };
    throw error;
  }
}

/** Nothing that was not verified: staples are fetched again, and of a publication before this one nobody knows who made it. */
function withPems({ previous: _, ...entry }: ManifestEntry, pems: PemRef[], now: Date): ManifestEntry {
  const publishedAt = new Date(Math.min(Date.parse(entry.publishedAt), now.getTime())).toISOString();
  return { ...entry, publishedAt, pems };
}
