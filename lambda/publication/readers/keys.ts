/**
 * Whose signatures count for somebody who may read everything but keys: an auditor. The issuer's memory says which key signed each fleet last,
 * and nobody but the issuer writes there.
 */
import { BucketError } from '#contract/errors.ts';
import { layout } from '#contract/layout.ts';
import { type PublicKey, signerOf } from '#contract/statement.ts';
import type { Bucket } from '#storage/bucket.ts';
import { newSigningKey } from '../../signing/record.ts';
import { openSigningKey, type Signing, type SigningKeyOptions } from '../../signing/signing-key.ts';
import { IssuerMemory } from '../ended.ts';

/**
 * As a dry run opens the signing key. Where the key is denied, what the issuer remembers stands for it; what is signed meanwhile by a key that it
 * does not remember yet counts for nothing.
 * @throws as `openSigningKey`
 */
export async function openKeysToRead(
  bucket: Bucket,
  options: Omit<SigningKeyOptions, 'dryRun'>,
): Promise<Signing> {
  try {
    return await openSigningKey(bucket, { ...options, dryRun: true });
  } catch (error) {
    if (!isKeyDenied(error)) throw error;
    return rememberedKeys(bucket);
  }
}

function isKeyDenied(error: unknown): boolean {
  return (
    error instanceof BucketError &&
    error.code === 'ERR_BUCKET_DENIED' &&
    error.key.endsWith(layout.signingKey)
  );
}

async function rememberedKeys(bucket: Bucket): Promise<Signing> {
  const memory = new IssuerMemory(bucket);
  const known = new Set<PublicKey>();
  for (const fleet of await memory.fleets()) {
    const { key } = await memory.of(fleet);
    if (key !== undefined) known.add(key);
  }
  // It signs nothing: no root has it.
  const { lineage, privateKey } = newSigningKey();
  return {
    ...{ lineage, signer: signerOf(privateKey), statements: [], lowestSequence: 0 },
    isOurs: (key) => known.has(key),
    // A manifest without a signature proves nothing to who cannot ask the issuer's own record.
    isInherited: () => false,
  };
}
