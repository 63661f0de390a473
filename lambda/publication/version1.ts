/**
 * Reads version 1 of the manifest, for agents that read no roots: an image of the root without its signature (lambda/upgrade/image.ts). Its mark `alongside` tells whose image it is: an issuer of version 1 keeps members that it does not know, and changes `updatedAt`.
 */
import { BucketError, type BucketErrorCode, ContractError, codeOf } from '#contract/errors.ts';
import { type FleetName, layout } from '#contract/layout.ts';
import { type Manifest, parseManifest } from '#contract/manifest.ts';
import type { Bucket, StoredObject } from '#storage/bucket.ts';

/** Of which root a manifest of version 1 is the image. */
export interface Alongside {
  sequence: number;
  /** Of the image: another program that wrote it since has changed it. */
  updatedAt: string;
}

/** `manifest.json` as it is there now. */
export interface CurrentVersion1 {
  /** Undefined: there is none, or it cannot be read as version 1. */
  manifest: Manifest | undefined;
  /** ETag of what is there; `unknown`: it is too large, or in an archive; undefined: there is none. */
  etag: string | undefined;
  /** Why it cannot be read. */
  fault?: ContractError | BucketError | undefined;
}

/** @throws BucketError where the store fails */
export async function readVersion1(bucket: Bucket, fleet: FleetName): Promise<CurrentVersion1> {
  const object = await readManifestObject(bucket, layout.manifest(fleet));
  if (object instanceof BucketError) return { manifest: undefined, etag: 'unknown', fault: object };
  return object === undefined ? { manifest: undefined, etag: undefined } : parsed(fleet, object);
}

/** What lasts until the object is written again. Rights that are missing are missing for the others, too, and a disk may recover. */
const LASTING: readonly string[] = ['ERR_BUCKET_SIZE', 'ERR_BUCKET_ARCHIVED'] satisfies BucketErrorCode[];

/**
 * @returns the error of an object that cannot be read: its writer may write over it. Damage on the way is read once more
 * @throws BucketError where the store fails, or refuses
 */
export async function readManifestObject(
  bucket: Bucket,
  key: string,
): Promise<StoredObject | BucketError | undefined> {
  const fault = (error: unknown) => {
    if (error instanceof BucketError && LASTING.includes(error.code)) return error;
    throw error;
  };
  const again = (error: unknown) => {
    if (codeOf(error) === 'ERR_BUCKET_IO') return bucket.get(key);
    throw error;
  };
  return bucket.get(key).catch(again).catch(fault);
}

function parsed(fleet: FleetName, { body, etag }: { body: Buffer; etag: string }): CurrentVersion1 {
  try {
    return { manifest: parseManifest(fleet, body), etag };
  } catch (error) {
    if (error instanceof ContractError) return { manifest: undefined, etag, fault: error };
    throw error;
  }
}

/** Whether an issuer of version 1, or somebody else, has written it since we did. */
export function isWrittenByOthers(manifest: Manifest): boolean {
  return alongsideOf(manifest)?.updatedAt !== manifest.updatedAt;
}

export function alongsideOf(manifest: Manifest): Alongside | undefined {
  const { alongside } = manifest as Manifest & { alongside?: Partial<Alongside> };
  const { sequence, updatedAt } = alongside ?? {};
  if (typeof sequence !== 'number' || typeof updatedAt !== 'string') return undefined;
  return { sequence, updatedAt };
}
