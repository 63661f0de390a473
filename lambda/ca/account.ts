/**
 * Our one ACME account at a CA. Its key is stored, under a condition, before it is registered: however many first
 * passes start together, all of them register the same key, and the CA answers with the same account.
 */
import { generateKeyPairSync } from 'node:crypto';
import * as z from 'zod';
import { serializeDocument } from '#contract/document.ts';
import { BucketError, ContractError } from '#contract/errors.ts';
import { parseJson } from '#contract/json.ts';
import { layout } from '#contract/layout.ts';
import type { Bucket } from '#storage/bucket.ts';
import { changeKey, findAccount, newAccount } from '../acme/account.ts';
import { AcmeClient } from '../acme/client.ts';
import type { Directory } from '../acme/directory.ts';
import { AcmeProblem } from '../acme/problem.ts';
import type { Transport } from '../acme/transport.ts';
import type { AcmeSettings } from '../config/acme.ts';

const accountRecord = z.looseObject({
  version: z.literal(1),
  /** PKCS#8 PEM. */
  key: z.string(),
  url: z.url().optional(),
  /** A rollover is under way: the CA knows either this key or `key`. */
  nextKey: z.string().optional(),
});
type AccountRecord = z.infer<typeof accountRecord>;

/** How a CA is talked to, and the bucket that keeps our account there. */
export interface CaOptions {
  bucket: Bucket;
  settings: AcmeSettings;
  exchange: Transport;
  now: () => Date;
  /** Of the external account binding (RFC 8555 §7.3.4), base64url. */
  hmacKey?: string | undefined;
}

interface StoredAccount {
  record: AccountRecord;
  etag: string;
}

/** Registers the account if its URL is not stored yet. @throws ContractError `ERR_ACCOUNT_RECORD` */
export async function openAccount(options: CaOptions, directory: Directory): Promise<AcmeClient> {
  const stored = await settleRollover(options, directory, await readOrCreate(options));
  const client = clientOf(options, directory, stored.record.key, stored.record.url);
  if (stored.record.url !== undefined) return client;
  const { contact, termsOfServiceAgreed, externalAccountBinding } = options.settings;
  const binding = externalAccountBinding && {
    kid: externalAccountBinding.kid,
    hmacKey: options.hmacKey ?? '',
  };
  const url = await newAccount(client, { contact, termsOfServiceAgreed }, binding);
  // A pass that loses this race has registered the same key and has the same URL: nothing is lost.
  await save(options, stored, { url });
  return client;
}

/** @returns the account as it is stored; undefined: none is registered. Writes nothing, here or at the CA */
export async function readStoredAccount(
  options: CaOptions,
  directory: Directory,
): Promise<AcmeClient | undefined> {
  const stored = await read(options.bucket, keyOf(options));
  if (stored?.record.url === undefined) return undefined;
  return clientOf(options, directory, stored.record.key, stored.record.url);
}

/** RFC 8555 §7.3.5. If it is killed anywhere, the next pass asks the CA which of the two keys it knows. */
export async function rolloverAccountKey(options: CaOptions, directory: Directory): Promise<AcmeClient> {
  const old = await openAccount(options, directory);
  const nextKey = generateAccountKey();
  if (!(await save(options, await readOrCreate(options), { nextKey }))) throw conflict(options);
  await changeKey(old, nextKey);
  const { record } = await settleRollover(options, directory, await readOrCreate(options));
  return clientOf(options, directory, record.key, record.url);
}

/** Keeps the key: the next pass registers it again. */
export async function forgetAccountUrl(bucket: Bucket, directoryUrl: string): Promise<void> {
  const stored = await read(bucket, layout.account(directoryUrl));
  if (stored === undefined) return;
  const { url: _, ...record } = stored.record;
  await bucket.put(layout.account(directoryUrl), serializeDocument(record), { ifMatch: stored.etag });
}

async function settleRollover(
  options: CaOptions,
  directory: Directory,
  stored: StoredAccount,
): Promise<StoredAccount> {
  const { nextKey, ...record } = stored.record;
  if (nextKey === undefined) return stored;
  const url = await findAccount(clientOf(options, directory, nextKey, undefined)).catch((error: unknown) => {
    if (error instanceof AcmeProblem && error.type === 'accountDoesNotExist') return undefined;
    throw error;
  });
  const settled = url === undefined ? record : { ...record, key: nextKey, url };
  const result = await options.bucket.put(keyOf(options), serializeDocument(settled), {
    ifMatch: stored.etag,
  });
  if (result === 'precondition-failed') return readOrCreate(options);
  return { record: settled, etag: result.etag };
}

function clientOf(
  { exchange, now }: CaOptions,
  directory: Directory,
  accountKey: string,
  accountUrl: string | undefined,
): AcmeClient {
  return new AcmeClient({ directory, accountKey, accountUrl, exchange, now });
}

/** @returns false if another pass has changed the record meanwhile */
async function save(
  options: CaOptions,
  stored: StoredAccount,
  change: Partial<AccountRecord>,
): Promise<boolean> {
  const body = serializeDocument({ ...stored.record, ...change });
  const result = await options.bucket.put(keyOf(options), body, { ifMatch: stored.etag });
  return result !== 'precondition-failed';
}

async function readOrCreate(options: CaOptions): Promise<StoredAccount> {
  const { bucket } = options;
  const key = keyOf(options);
  const present = await read(bucket, key);
  if (present !== undefined) return present;
  const { spelledUrl } = options.settings;
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

function generateAccountKey(): string {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
}

function keyOf({ settings }: CaOptions): string {
  return layout.account(settings.directoryUrl);
}

function conflict(options: CaOptions): BucketError {
  const message = 'another pass has changed the account; try again';
  return new BucketError('ERR_BUCKET_CONFLICT', keyOf(options), message);
}
