/**
 * Reads what is published to a fleet, and believes only what the issuer itself has signed. A root of anybody else is as good as lost: its
 * content is never taken over, and the next commit replaces it.
 */
import { BucketError, ContractError } from '#contract/errors.ts';
import { type FleetName, layout } from '#contract/layout.ts';
import type { Manifest } from '#contract/manifest.ts';
import { parseVerifiedRoot, type SignedBytes, type SignedManifest, verifyRoot } from '#contract/root.ts';
import type { ShardDigests } from '#contract/shard/node.ts';
import type { PublicKey } from '#contract/statement.ts';
import type { Bucket } from '#storage/bucket.ts';
import { IssuerMemory } from './ended.ts';
import { readManifestObject, readVersion1 } from './version1.ts';

/** Whose signatures count: Signing of lambda/signing/ has it. */
export interface OwnKeys {
  readonly lineage?: string;
  readonly signer?: { readonly key: PublicKey };
  readonly recoveryKey?: PublicKey | undefined;
  /** Number of the last statement of the recovery key; absent: none. */
  readonly recoveredAt?: number;
  isOurs(key: PublicKey, sequence?: number): boolean;
  isBefore?(key: PublicKey, other: PublicKey): boolean;
  /** Whether an issuer of version 1 published to the fleet; absent: nobody knows. */
  isInherited?(fleet: FleetName): boolean;
}

/** Of the head of a root of ours, as a host repeats it. */
export interface OwnHead {
  sequence: number;
  signedAt: Date;
}

/** What a fleet serves. */
export interface ReadManifest {
  /** Version 2 by our own signature; version 1 where the fleet never had a root. */
  manifest: Manifest;
  /** Of the object that holds it. */
  etag: string;
  /** Of version 2: the key that signed it. */
  signedBy?: PublicKey | undefined;
}

/** `root.json` as it is there now. */
export interface CurrentRoot {
  /** Undefined: there is none, or it is not ours. */
  manifest: SignedManifest | undefined;
  /** ETag of what is there, whoever wrote it; `unknown`: it is too large, or in an archive. */
  etag: string | 'unknown' | undefined;
  signedBy?: PublicKey | undefined;
  /** Where the certificates are in shards; their receipts may be there alone (RECEIPT_IN_SHARD). */
  shards?: ShardDigests | undefined;
  /** Why what is there is not ours. */
  fault?: ContractError | BucketError | undefined;
}

/** @throws BucketError; ContractError where our own root needs a newer program */
export async function readRoot(
  bucket: Bucket,
  fleet: FleetName,
  keys: OwnKeys,
  memory: IssuerMemory,
): Promise<CurrentRoot> {
  const key = layout.root(fleet);
  const object = await readManifestObject(bucket, key);
  if (object instanceof BucketError) return { manifest: undefined, etag: 'unknown', fault: object };
  if (object === undefined) return { manifest: undefined, etag: undefined };
  const { body, etag } = object;
  let signed: SignedBytes;
  try {
    signed = verifyRoot(fleet, body);
    await checkSigner(fleet, signed, keys, memory);
  } catch (error) {
    if (error instanceof ContractError) return { manifest: undefined, etag, fault: error };
    throw error;
  }
  const { manifest, key: signedBy, shards } = parseVerifiedRoot(fleet, body, signed);
  if (shards === undefined) return { manifest, etag, signedBy };
  const content = await memory.shardsOf(fleet).read(shards);
  return { manifest: { ...manifest, ...content }, etag, signedBy, shards };
}

/**
 * @returns undefined if nothing is published
 * @throws ContractError `ERR_MANIFEST_SIGNATURE` for what somebody else has put there; other ContractErrors, BucketError
 */
export async function readManifest(
  bucket: Bucket,
  fleet: FleetName,
  keys: OwnKeys,
  memory = new IssuerMemory(bucket),
): Promise<ReadManifest | undefined> {
  const { manifest, etag, signedBy, fault } = await readRoot(bucket, fleet, keys, memory);
  if (fault !== undefined) throw fault;
  if (manifest !== undefined) return { manifest, etag: etag ?? '', signedBy };
  return readFirst(bucket, fleet, keys, memory);
}

/**
 * Of a fleet that has no root of ours, for whoever only looks: what readFirstManifest() would verify. A fleet that ever had a root has nothing else.
 * @throws BucketError, ContractError
 */
async function readFirst(
  bucket: Bucket,
  fleet: FleetName,
  keys: OwnKeys,
  memory: IssuerMemory,
): Promise<ReadManifest | undefined> {
  const { key } = await memory.of(fleet);
  if (key !== undefined || keys.isInherited?.(fleet) === false) return undefined;
  const { manifest, etag = '', fault } = await readVersion1(bucket, fleet);
  if (fault !== undefined) throw fault;
  return manifest && { manifest, etag };
}

/** The ETag that a host reports whose agent reads no root. */
export async function version1Etag(bucket: Bucket, fleet: FleetName, read: ReadManifest): Promise<string> {
  return (await bucket.get(layout.manifest(fleet)))?.etag ?? read.etag;
}

/** An earlier key counts until the fleet has a root of a later one: who has stolen it signs nothing more. */
async function checkSigner(
  fleet: FleetName,
  { key: signer, claims }: SignedBytes,
  keys: OwnKeys,
  memory: IssuerMemory,
): Promise<void> {
  const key = layout.root(fleet);
  if (claims.fleet !== fleet) {
    const says = `wanted fleet ${fleet}, saw one of ${claims.fleet}: somebody has put it there`;
    throw new ContractError('ERR_MANIFEST_SIGNATURE', key, says);
  }
  if (signer === keys.signer?.key) return;
  const isOurs = keys.isOurs(signer, claims.sequence);
  const { key: last = signer } = isOurs ? await memory.of(fleet) : {};
  // A memory that was restored with issuer/ may name an earlier key than the root has.
  const isRetired = keys.isBefore?.(signer, last) ?? last !== signer;
  if (isOurs && !isRetired) return;
  const says = `is signed by a key that is not this issuer's: its content counts for nothing`;
  throw new ContractError('ERR_MANIFEST_SIGNATURE', key, says);
}
