/** `issuer/account/…`: the key and the URL of our account at a CA. Its key is stored, under a condition, before it is registered. */
import { generateKeyPairSync } from 'node:crypto';
import * as z from 'zod';
import { serializeDocument } from '#contract/document.ts';
import { BucketError, ContractError } from '#contract/errors.ts';
import { parseJson } from '#contract/json.ts';
import { layout } from '#contract/layout.ts';
import type { Bucket } from '#storage/bucket.ts';
import { instant } from '#storage/cached-document.ts';
import type { AcmeSettings } from '../config/acme.ts';

const accountRecord = z.looseObject({
  version: z.literal(1),
  /** PKCS#8 PEM. */
  key: z.string(),
  url: z.url().optional(),
  /** A rollover is under way: the CA knows either this key or `key`. */
  nextKey: z.string().optional(),
  /** When `key` took the place of another one: the CA's caches may still have that. */
  keyChangedAt: z.iso.datetime().optional(),
  /** What the CA was told last; absent in records of earlier versions. */
  contact: z.array(z.string()).optional(),
  /** What the CA has refused: it is told again only where somebody asks for it, or the configuration changes. */
  contactRefused: z.array(z.string()).optional(),
  /** The account that the CA does not know any more. */
  lostUrl: z.string().optional(),
  /** Of another account that is being registered in place of this one. */
  newKey: z.string().optional(),
  /** Accounts before this one, the last first: what they have ordered can be revoked with their keys. */
  earlier: z.array(z.looseObject({ url: z.string(), key: z.string() })).optional(),
});
export type AccountRecord = z.infer<typeof accountRecord>;

export interface StoredAccount {
  record: AccountRecord;
  etag: string;
}

/** Where the record lies. */
export interface AccountPlace {
  bucket: Bucket;
  settings: Pick<AcmeSettings, 'directoryUrl' | 'spelledUrl'>;
}

/** @returns undefined if there is none yet. @throws ContractError `ERR_ACCOUNT_RECORD` */
export async function readAccountRecord(place: AccountPlace): Promise<StoredAccount | undefined> {
  return read(place.bucket, keyOf(place));
}

/** A record that an earlier version kept under another spelling of the URL is taken over. @throws ContractError `ERR_ACCOUNT_RECORD` */
export async function readOrCreate(place: AccountPlace): Promise<StoredAccount> {
  const { bucket, settings } = place;
  const key = keyOf(place);
  const present = await read(bucket, key);
  if (present !== undefined) return present;
  const { spelledUrl } = settings;
  const earlier = spelledUrl === undefined ? undefined : await read(bucket, layout.account(spelledUrl));
  const first = earlier?.record ?? { version: 1, key: generateAccountKey() };
  await bucket.put(key, serializeDocument(first), { ifNoneMatch: '*' });
  // Read back: another pass may have been first, then its key counts.
  const stored = await read(bucket, key);
  if (stored === undefined) {
    throw new BucketError('ERR_BUCKET_IO', key, 'was written but cannot be read back');
  }
  return stored;
}

/** @returns as stored; undefined if another pass has changed the record meanwhile */
export async function saveAccount(
  place: AccountPlace,
  stored: StoredAccount,
  change: Partial<AccountRecord>,
): Promise<StoredAccount | undefined> {
  const record = { ...stored.record, ...change };
  const result = await place.bucket.put(keyOf(place), serializeDocument(record), { ifMatch: stored.etag });
  return result === 'precondition-failed' ? undefined : { record, etag: result.etag };
}

export function accountConflict(place: AccountPlace): BucketError {
  const message = 'another pass has changed the account; try again';
  return new BucketError('ERR_BUCKET_CONFLICT', keyOf(place), message);
}

export function generateAccountKey(): string {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
}

/** @returns undefined if the record has none */
export function keyChangedAt({ keyChangedAt: text }: AccountRecord): Date | undefined {
  return instant.safeParse(text).data;
}

async function read(bucket: Bucket, key: string): Promise<StoredAccount | undefined> {
  const object = await bucket.get(key);
  if (object === undefined) return undefined;
  try {
    return { record: accountRecord.parse(parseJson(object.body)), etag: object.etag };
  } catch {
    // Neither parser's message is passed on: it may quote the key.
    const message = 'is no account record that this version can read';
    throw new ContractError('ERR_ACCOUNT_RECORD', key, message);
  }
}

function keyOf({ settings }: AccountPlace): string {
  return layout.account(settings.directoryUrl);
}
