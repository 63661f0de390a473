/**
 * `issuer/signing-key.json`: the issuer's private signing key, what it hands over to whom, and the keys it had before. It is written under
 * a condition each time, so that of two issuers at once one has its way and the other reads what that one wrote.
 */
import * as z from 'zod';
import { dateTime, serializeDocument } from '#contract/document.ts';
import { BucketError, ContractError } from '#contract/errors.ts';
import { parseJson } from '#contract/json.ts';
import { layout } from '#contract/layout.ts';
import { publicKey, type Signer, signerOf, statementText } from '#contract/statement.ts';
import type { Bucket } from '#storage/bucket.ts';

const signingKeyRecord = z.looseObject({
  version: z.literal(1),
  /** Of this issuer, for ever: made with its first key, and the same after each change of the key. */
  lineage: z.string().min(1).max(64),
  /** Signs now. PKCS#8, PEM. */
  privateKey: z.string().max(4096),
  /** Signed once: what they signed then is still ours. Their private halves are gone. */
  earlier: z.array(z.looseObject({ key: publicKey, until: dateTime })).max(1000),
  /** In which one key hands over to the next, oldest first (contract/key-chain.ts). */
  statements: z.array(statementText).max(1000),
});
export type SigningKeyRecord = z.infer<typeof signingKeyRecord>;

export interface StoredSigningKey {
  record: SigningKeyRecord;
  signer: Signer;
  etag: string;
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

/** @param before what is replaced; absent: there must be none. @returns whether it is written: false if another writer was first */
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
