/**
 * Version 1 of the manifest, for agents that read no other: written along after each commit, without a signature. `alongside` says of
 * which root it is the image, so that a slower writer does not put an older image in the place of a newer one.
 */
import { BucketError, ContractError } from '#contract/errors.ts';
import { layout } from '#contract/layout.ts';
import { emptyManifest, type Manifest, type ManifestEntry, serializeManifest } from '#contract/manifest.ts';
import type { SignedManifest } from '#contract/root.ts';
import type { Bucket } from '#storage/bucket.ts';
import { type ReadManifest, readVersion1 } from './read-manifest.ts';

/** Of which root a manifest of version 1 is the image. */
export interface Alongside {
  sequence: number;
  /** Of the image: another program that wrote it since has changed it. */
  updatedAt: string;
}

const MAX_TRIES = 50;

/** @throws BucketError */
export async function writeVersion1(bucket: Bucket, root: SignedManifest): Promise<void> {
  const key = layout.manifest(root.fleet);
  for (let attempt = 0; attempt < MAX_TRIES; attempt += 1) {
    const { read, etag } = await readUnlessBroken(bucket, root);
    if (read !== undefined && (alongsideOf(read.manifest)?.sequence ?? 0) >= root.sequence) return;
    const condition = etag === undefined ? { ifNoneMatch: '*' as const } : { ifMatch: etag };
    const result = await bucket.put(key, version1Of(root), condition);
    if (result !== 'precondition-failed') return;
  }
  throw new BucketError('ERR_BUCKET_CONFLICT', key, `other writers were faster ${MAX_TRIES} times`);
}

export function alongsideOf(manifest: Manifest): Alongside | undefined {
  const { alongside } = manifest as Manifest & { alongside?: Partial<Alongside> };
  const { sequence, updatedAt } = alongside ?? {};
  if (typeof sequence !== 'number' || typeof updatedAt !== 'string') return undefined;
  return { sequence, updatedAt };
}

/** Without receipts: no reader of version 1 knows them, and they are a third of an entry. */
function version1Of(root: SignedManifest): string {
  const { fleet, updatedAt, sequence } = root;
  const certificates = Object.fromEntries(
    Object.entries(root.certificates).map(([name, entry]) => [name, withoutVersion2(entry)]),
  );
  const alongside: Alongside = { sequence, updatedAt };
  return serializeManifest({
    ...emptyManifest(fleet, new Date(updatedAt)),
    alongside,
    certificates,
  } as Manifest);
}

function withoutVersion2({ sequence: _, ...entry }: ManifestEntry): ManifestEntry {
  return { ...entry, pems: entry.pems.map(({ receipt: _receipt, ...pem }) => pem) };
}

/** What cannot be read as version 1 is replaced as it is. */
async function readUnlessBroken(
  bucket: Bucket,
  { fleet }: SignedManifest,
): Promise<{ read: ReadManifest | undefined; etag: string | undefined }> {
  try {
    const read = await readVersion1(bucket, fleet);
    return { read, etag: read?.etag };
  } catch (error) {
    if (!(error instanceof ContractError)) throw error;
    return { read: undefined, etag: (await bucket.get(layout.manifest(fleet)))?.etag };
  }
}
