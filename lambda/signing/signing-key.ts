/**
 * The key that signs what the issuer publishes. The first pass on a bucket makes it. A bucket in which another key has signed, and an
 * issuer whose key has handed over to one that it does not have, get no other key by themselves: hosts would not follow.
 */
import { BucketError, ContractError, isObjectFault } from '#contract/errors.ts';
import { followKeys, readKeyStatements } from '#contract/key-chain.ts';
import { type FleetName, fleetsAmong, layout } from '#contract/layout.ts';
import { type PublicKey, type Signer, signerOf } from '#contract/statement.ts';
import type { AnnouncedTrust } from '#contract/trust.ts';
import type { Bucket } from '#storage/bucket.ts';
import { publishKeys, readPublishedKeys } from './published-keys.ts';
import {
  followFrom,
  newSigningKey,
  readSigningKey,
  readSigningKeyBack,
  type SigningKeyRecord,
  type StoredSigningKey,
  writeSigningKey,
} from './record.ts';
import { branchesOf, inOrder } from './statement-chain.ts';
import { findSigned, type LoneClaim } from './traces.ts';

/** What a pass signs with, and whose signatures it takes for its own. */
export interface Signing {
  /** Of this issuer, for ever. */
  readonly lineage: string;
  /** Signs roots, receipts and key statements with today's key. */
  readonly signer: Signer;
  readonly recoveryKey?: PublicKey | undefined;
  /** Number of the last statement of the recovery key; absent, or 0: none. */
  readonly recoveredAt?: number;
  /** As published in `keys.json` of each fleet. */
  readonly statements: readonly string[];
  /** Fleets whose `keys.json` cannot be written: hosts there may not find today's key. */
  readonly unpublished?: ReadonlyMap<FleetName, BucketError> | undefined;
  /** Sequences have to be higher: what hosts remember from before a recovery counts up to here. */
  readonly lowestSequence: number;
  /**
   * Whether what `key` signed is this issuer's word: today's key, or an earlier one up to the sequence at which it was retired.
   * @param sequence that the statement claims; absent: any
   */
  isOurs(key: PublicKey, sequence?: number): boolean;
  /** Whether `key` had been retired when `other` began to sign; false if either is not ours. */
  isBefore?(key: PublicKey, other: PublicKey): boolean;
  /** Whether an issuer of version 1 published to this fleet before there was a key: what it published is taken over once. */
  isInherited(fleet: FleetName): boolean;
}

export interface SigningKeyOptions {
  /** In which something is published, or will be. */
  fleets: Iterable<FleetName>;
  /** Nothing is written: a key that is missing exists for this pass alone. */
  dryRun?: boolean | undefined;
  /** From the SSM parameter of hosts; absent: there is none. */
  announced?: AnnouncedTrust | undefined;
  /** Gets what one host alone says of a key: that stops no first pass. */
  onLoneClaim?: ((claim: LoneClaim) => void) | undefined;
}

type Opening = Pick<SigningKeyOptions, 'dryRun' | 'announced' | 'onLoneClaim'>;

/** An issuer that reads its key while another changes it reads it again. */
const MAX_TRIES = 10;

/**
 * Makes the key if there is none yet (of two first passes at once, both get the same), and publishes `keys.json` where it differs:
 * before any root that a new key signs.
 * @throws ContractError `ERR_SIGNING_KEY`; `ERR_SIGNING_KEY_LOST` if another key, which is not here, speaks for this issuer
 */
export async function openSigningKey(
  bucket: Bucket,
  { fleets, dryRun = false, announced, onLoneClaim }: SigningKeyOptions,
): Promise<Signing> {
  const names = [...new Set(fleets)];
  for (let attempt = 0; attempt < MAX_TRIES; attempt += 1) {
    const stored =
      (await readSigningKey(bucket)) ?? (await firstKey(bucket, names, { dryRun, announced, onLoneClaim }));
    const signing = await comparePublished(bucket, names, { stored, dryRun, announced });
    if (signing !== undefined) return signing;
  }
  const says = `other writers were faster ${MAX_TRIES} times; the next pass tries again`;
  throw new BucketError('ERR_BUCKET_CONFLICT', layout.signingKey, says);
}

/** @returns undefined if another writer has changed something meanwhile */
async function comparePublished(
  bucket: Bucket,
  fleets: readonly FleetName[],
  { stored, dryRun, announced }: Opening & { stored: StoredSigningKey },
): Promise<Signing | undefined> {
  const published = await readPublishedKeys(bucket, fleets);
  const elsewhere = published.flatMap(({ statements }) => statements);
  const other = otherKey(stored, elsewhere, announced);
  if (other !== undefined) {
    if ((await readSigningKey(bucket))?.etag !== stored.etag) return undefined;
    throw handedOver(stored.signer.key, other);
  }
  const record = withOwnWords(stored, elsewhere);
  if (dryRun) return signingOf({ ...stored, record });
  if (record !== stored.record && !(await writeSigningKey(bucket, record, stored))) return undefined;
  const { late, failed } = await publishKeys(bucket, published, record.statements);
  return late.length > 0 ? undefined : signingOf({ ...stored, record }, failed);
}

/** The key that speaks for this issuer, if it is not the one that is here. */
function otherKey(
  stored: StoredSigningKey,
  elsewhere: readonly string[],
  announced: AnnouncedTrust | undefined,
): PublicKey | undefined {
  const { key } = followFrom(stored, elsewhere);
  if (key !== stored.signer.key) return key;
  const { lineage, earlier, statements } = stored.record;
  // Of another lineage: the operator has begun this one, and the parameter follows.
  if (announced === undefined || announced.lineage !== lineage) return undefined;
  const hosts = followKeys(statements, { ...announced, number: 0, recoveredAt: 0 });
  const isOurs = hosts.key === key || earlier.some((before) => before.key === announced.key);
  return isOurs ? undefined : announced.key;
}

/** Half of what a record has room for: no branch takes the place of our own statements. */
const MAX_WITH_BRANCHES = 500;

/** What our key said after this copy of `issuer/` was made (which key is its recovery key), and other branches of the recovery key. */
function withOwnWords(stored: StoredSigningKey, elsewhere: readonly string[]): SigningKeyRecord {
  const { record, signer } = stored;
  const missing = [...new Set(elsewhere)].filter((text) =>
    readKeyStatements([text]).some(({ key, claims }) => {
      const isOwn = key === signer.key && claims.key === signer.key && claims.lineage === record.lineage;
      return isOwn && claims.number > record.number;
    }),
  );
  const { number, recoveryKey } = followFrom(stored, missing);
  const statements = [...record.statements, ...missing];
  const keys = record.earlier.map(({ key }) => key);
  const branches = recoveryKey ? branchesOf(elsewhere, { lineage: record.lineage, keys, recoveryKey }) : [];
  const others = branches.filter((text) => !statements.includes(text));
  const left = Math.max(0, MAX_WITH_BRANCHES - statements.length);
  if (missing.length === 0 && Math.min(left, others.length) === 0) return record;
  const all = inOrder([...statements, ...others.slice(0, left)]);
  return { ...record, number, recoveryKey, statements: all };
}

async function firstKey(
  bucket: Bucket,
  fleets: readonly FleetName[],
  { dryRun, announced, onLoneClaim }: Opening,
): Promise<StoredSigningKey> {
  const signed = announced
    ? `the parameter with the key ${announced.key}`
    : await findSigned(bucket, fleets, onLoneClaim);
  if (signed !== undefined) throw lost(`is missing, though ${signed} shows that an issuer has signed here`);
  const record = { ...newSigningKey(), inherited: await fleetsOfVersion1(bucket) };
  if (dryRun) return { record, signer: signerOf(record.privateKey), etag: '' };
  // Read back in any case: another pass may have been first, then its key counts.
  await writeSigningKey(bucket, record);
  return readSigningKeyBack(bucket);
}

/** All that are published, whichever the caller has to do with: the key is made once. */
async function fleetsOfVersion1(bucket: Bucket): Promise<FleetName[]> {
  const inherited: FleetName[] = [];
  for (const fleet of fleetsAmong(await bucket.folders(layout.publishedFleets))) {
    if (await isThere(bucket, layout.manifest(fleet))) inherited.push(fleet);
  }
  return inherited;
}

/** Also if nobody can read it. */
async function isThere(bucket: Bucket, key: string): Promise<boolean> {
  try {
    return (await bucket.get(key)) !== undefined;
  } catch (error) {
    if (isObjectFault(error)) return true;
    throw error;
  }
}

function signingOf({ record, signer }: StoredSigningKey, unpublished?: Signing['unpublished']): Signing {
  const { lineage, number, recoveryKey, recoveredAt, statements, earlier, inherited = [] } = record;
  const upTo = new Map<PublicKey, number>(earlier.map((before) => [before.key, before.upTo]));
  upTo.set(signer.key, Number.POSITIVE_INFINITY);
  const isOurs = (key: PublicKey, sequence = 0) => sequence <= (upTo.get(key) ?? -1);
  const order = [...upTo.keys()];
  const isBefore = (key: PublicKey, other: PublicKey) =>
    order.includes(key) && order.indexOf(key) < order.indexOf(other);
  const isInherited = (fleet: FleetName) => inherited.includes(fleet);
  return {
    ...{ lineage, signer, recoveryKey, recoveredAt, statements, unpublished, lowestSequence: number },
    ...{ isOurs, isBefore, isInherited },
  };
}

function handedOver(ours: PublicKey, theirs: PublicKey): ContractError {
  const how = 'either issuer/ was restored from before that, or the key was stolen';
  return lost(`has the key ${ours}, which has handed over to ${theirs}: ${how}`);
}

function lost(says: string): ContractError {
  const advice =
    'nothing is published, and hosts go on serving; restore issuer/ of today, or: pemfleet key recover --recovery-key FILE, or, without a recovery key: pemfleet key new';
  return new ContractError('ERR_SIGNING_KEY_LOST', layout.signingKey, `${says}; ${advice}`);
}
