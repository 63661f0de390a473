/**
 * `issuer/signing-key.json`: the issuer's private signing key, the keys it had before, and the statements in which one hands over to the
 * next. Each write has a condition: of two issuers at once, one writes, and the other reads what that one wrote.
 */
import { randomUUID } from 'node:crypto';
import * as z from 'zod';
import { serializeDocument } from '#contract/document.ts';
import { BucketError, ContractError } from '#contract/errors.ts';
import { parseJson } from '#contract/json.ts';
import { followKeys, type TrustedKey } from '#contract/key-chain.ts';
import { fleetName, layout } from '#contract/layout.ts';
import { generatePrivateKey, publicKey, type Signer, signerOf, statementText } from '#contract/statement.ts';
import type { Bucket } from '#storage/bucket.ts';

const number = z.number().int().nonnegative();

const signingKeyRecord = z.looseObject({
  version: z.literal(1),
  /** Of this issuer, for ever: made with its first key, and the same after each change of the key. */
  lineage: z.string().min(1).max(64),
  /** Signs now. PKCS#8, PEM. */
  privateKey: z.string().max(4096),
  /** Of the statement that named it; 0: it is the first key. */
  number,
  /** Public half; absent: there is none. */
  recoveryKey: publicKey.optional(),
  /** Number of the last statement of the recovery key; 0: none. */
  recoveredAt: number,
  /**
   * Keys that signed before. Their private halves are gone; what they signed is still ours, up to a sequence: whoever finds an old copy of
   * one signs nothing new with it.
   */
  earlier: z.array(z.looseObject({ key: publicKey, upTo: number })).max(1000),
  /**
   * Fleets that had a manifest of version 1 when the first key was made: an issuer of version 1 published there. Absent: none. A manifest of
   * version 1 in any other fleet is somebody else's: whoever may write to `published/` can put one there.
   */
  inherited: z.array(fleetName).max(10_000).optional(),
  /** Oldest first (contract/key-chain.ts). */
  statements: z.array(statementText).max(1000),
});
export type SigningKeyRecord = z.infer<typeof signingKeyRecord>;

export interface StoredSigningKey {
  record: SigningKeyRecord;
  signer: Signer;
  etag: string;
}

/** A key of a lineage of its own. */
export function newSigningKey(): SigningKeyRecord {
  return {
    ...{ version: 1, lineage: randomUUID(), privateKey: generatePrivateKey() },
    ...{ number: 0, recoveredAt: 0, earlier: [], statements: [] },
  };
}

/** @returns undefined if there is none. @throws ContractError `ERR_SIGNING_KEY` */
export async function readSigningKey(bucket: Bucket): Promise<StoredSigningKey | undefined> {
  const object = await bucket.get(layout.signingKey);
  if (object === undefined) return undefined;
  try {
    const record = signingKeyRecord.parse(parseJson(object.body));
    return { record, signer: signerOf(record.privateKey), etag: object.etag };
  } catch {
    // No parser's message is passed on: it may quote the key.
    const message = 'is no signing key that this version can read; restore it, or upgrade';
    throw new ContractError('ERR_SIGNING_KEY', layout.signingKey, message);
  }
}

/** @param before what is replaced; absent: there must be none. @returns false if another writer was first */
export async function writeSigningKey(
  bucket: Bucket,
  record: SigningKeyRecord,
  before?: Pick<StoredSigningKey, 'etag'>,
): Promise<boolean> {
  const condition = before === undefined ? { ifNoneMatch: '*' as const } : { ifMatch: before.etag };
  const result = await bucket.put(layout.signingKey, serializeDocument(record), condition);
  return result !== 'precondition-failed';
}

/** What was written, or what a faster writer wrote. */
export async function readSigningKeyBack(bucket: Bucket): Promise<StoredSigningKey> {
  const stored = await readSigningKey(bucket);
  if (stored !== undefined) return stored;
  throw new BucketError('ERR_BUCKET_IO', layout.signingKey, 'was written but cannot be read back');
}

/** What a host trusts that has followed all of the issuer's statements. */
export function trustedBy({ record, signer }: Pick<StoredSigningKey, 'record' | 'signer'>): TrustedKey {
  const { lineage, number, recoveryKey, recoveredAt } = record;
  return { lineage, key: signer.key, number, recoveryKey, recoveredAt };
}

/** Where statements from elsewhere lead a host that trusts the issuer's key. */
export function followFrom(
  stored: Pick<StoredSigningKey, 'record' | 'signer'>,
  statements: readonly string[],
): TrustedKey {
  return followKeys(statements, trustedBy(stored));
}
