/**
 * The key that signs what the issuer publishes. The first pass on a bucket makes it; a bucket that holds signed manifests, but not the key
 * to them, has lost it, and gets no other by itself: hosts would not follow.
 */
import { randomUUID } from 'node:crypto';
import { ContractError } from '#contract/errors.ts';
import { type FleetName, layout } from '#contract/layout.ts';
import { generatePrivateKey, type PublicKey, type Signer, signerOf } from '#contract/statement.ts';
import type { Bucket } from '#storage/bucket.ts';
import {
  readSigningKey,
  readSigningKeyBack,
  type SigningKeyRecord,
  type StoredSigningKey,
  writeSigningKey,
} from './record.ts';

/** What a pass signs with, and whose signatures it takes for its own. */
export interface Signing {
  /** Of this issuer, for ever. */
  readonly lineage: string;
  /** Signs roots, receipts and key statements with today's key. */
  readonly signer: Signer;
  /** For `keys.json` of each fleet. */
  readonly statements: readonly string[];
  /** Whether what `key` signed is this issuer's word: today's key, or an earlier one. */
  isOurs(key: PublicKey): boolean;
}

export interface SigningKeyOptions {
  /** Of the configuration: where a signed manifest would be. */
  fleets: Iterable<FleetName>;
  /** A key that is missing is made, but not written: this pass alone has it. */
  dryRun?: boolean | undefined;
}

/**
 * Makes the key if there is none yet; of two first passes at once, both get the same.
 * @throws ContractError `ERR_SIGNING_KEY`; `ERR_SIGNING_KEY_LOST` if there is none, though something signed is published
 */
export async function openSigningKey(
  bucket: Bucket,
  { fleets, dryRun }: SigningKeyOptions,
): Promise<Signing> {
  const stored = await readSigningKey(bucket);
  if (stored !== undefined) return signingOf(stored);
  await refuseIfLost(bucket, fleets);
  const record = newSigningKey();
  if (dryRun) return signingOf({ record, signer: signerOf(record.privateKey) });
  // Read back in any case: another pass may have been first, then its key counts.
  await writeSigningKey(bucket, record);
  return signingOf(await readSigningKeyBack(bucket));
}

function newSigningKey(): SigningKeyRecord {
  return {
    version: 1,
    lineage: randomUUID(),
    privateKey: generatePrivateKey(),
    earlier: [],
    statements: [],
  };
}

function signingOf({ record, signer }: Omit<StoredSigningKey, 'etag'>): Signing {
  const { lineage, statements, earlier } = record;
  const ours = new Set<PublicKey>([signer.key, ...earlier.map(({ key }) => key)]);
  return { lineage, signer, statements, isOurs: (key) => ours.has(key) };
}

async function refuseIfLost(bucket: Bucket, fleets: Iterable<FleetName>): Promise<void> {
  for (const fleet of new Set(fleets)) {
    if ((await bucket.get(layout.root(fleet))) === undefined) continue;
    const advice =
      'hosts go on serving, nothing is published; restore issuer/, or: pemfleet key recover --recovery-key FILE, or: pemfleet key new';
    const says = `is missing, though ${layout.root(fleet)} is signed; ${advice}`;
    throw new ContractError('ERR_SIGNING_KEY_LOST', layout.signingKey, says);
  }
}
