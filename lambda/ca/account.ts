/**
 * The one ACME account of a CA. Its key is stored, under a condition, before it is registered: however many
 * first passes start together, all of them register the same key, and the CA answers with the same account.
 */
import { generateKeyPairSync } from 'node:crypto';
import * as z from 'zod';
import { serializeDocument } from '#contract/document.ts';
import { BucketError } from '#contract/errors.ts';
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
  /** A rollover is under way: the CA knows either this key or the other. */
  nextKey: z.string().optional(),
});
type AccountRecord = z.infer<typeof accountRecord>;

export interface AccountDeps {
  bucket: Bucket;
  settings: AcmeSettings;
  directory: Directory;
  exchange: Transport;
  now: () => Date;
  /** Of the external account binding (RFC 8555 §7.3.4), base64url. */
  hmacKey: string | undefined;
}

interface StoredAccount {
  record: AccountRecord;
  etag: string;
}

export async function openAccount(deps: AccountDeps): Promise<AcmeClient> {
  const stored = await settleRollover(deps, await readOrCreate(deps.bucket, deps.settings.directoryUrl));
  const client = clientOf(deps, stored.record.key, stored.record.url);
  if (stored.record.url !== undefined) return client;
  const { contact, termsOfServiceAgreed, externalAccountBinding } = deps.settings;
  const binding = externalAccountBinding && { kid: externalAccountBinding.kid, hmacKey: deps.hmacKey ?? '' };
  const url = await newAccount(client, { contact, termsOfServiceAgreed }, binding);
  // Whoever loses this race registered the same key and has the same URL: nothing is lost.
  await save(deps, stored, { url });
  return client;
}

/** RFC 8555 §7.3.5. Killed anywhere, the next pass finds out which of the two keys the CA knows. */
export async function rolloverAccountKey(deps: AccountDeps): Promise<AcmeClient> {
  const old = await openAccount(deps);
  const stored = await readOrCreate(deps.bucket, deps.settings.directoryUrl);
  const nextKey = generateAccountKey();
  if (!(await save(deps, stored, { nextKey }))) throw conflict(deps);
  await changeKey(old, nextKey);
  const settled = await settleRollover(deps, await readOrCreate(deps.bucket, deps.settings.directoryUrl));
  return clientOf(deps, settled.record.key, settled.record.url);
}

export async function forgetAccountUrl(bucket: Bucket, directoryUrl: string): Promise<void> {
  const stored = await read(bucket, layout.account(directoryUrl));
  if (stored === undefined) return;
  const { url: _, ...record } = stored.record;
  await bucket.put(layout.account(directoryUrl), serializeDocument(record), { ifMatch: stored.etag });
}

async function settleRollover(deps: AccountDeps, stored: StoredAccount): Promise<StoredAccount> {
  const { nextKey, ...record } = stored.record;
  if (nextKey === undefined) return stored;
  const url = await findAccount(clientOf(deps, nextKey, undefined)).catch((error: unknown) => {
    if (error instanceof AcmeProblem && error.type === 'accountDoesNotExist') return undefined;
    throw error;
  });
  const settled = url === undefined ? record : { ...record, key: nextKey, url };
  const result = await deps.bucket.put(
    layout.account(deps.settings.directoryUrl),
    serializeDocument(settled),
    {
      ifMatch: stored.etag,
    },
  );
  if (result === 'precondition-failed') return readOrCreate(deps.bucket, deps.settings.directoryUrl);
  return { record: settled, etag: result.etag };
}

function clientOf(deps: AccountDeps, accountKey: string, accountUrl: string | undefined): AcmeClient {
  const { directory, exchange, now } = deps;
  return new AcmeClient({ directory, accountKey, accountUrl, exchange, now });
}

async function save(
  deps: AccountDeps,
  stored: StoredAccount,
  change: Partial<AccountRecord>,
): Promise<boolean> {
  const key = layout.account(deps.settings.directoryUrl);
  const result = await deps.bucket.put(key, serializeDocument({ ...stored.record, ...change }), {
    ifMatch: stored.etag,
  });
  return result !== 'precondition-failed';
}

async function readOrCreate(bucket: Bucket, directoryUrl: string): Promise<StoredAccount> {
  const key = layout.account(directoryUrl);
  const found = await read(bucket, key);
  if (found !== undefined) return found;
  await bucket.put(key, serializeDocument({ version: 1, key: generateAccountKey() }), { ifNoneMatch: '*' });
  // Read back: another pass may have been first, then its key counts.
  const stored = await read(bucket, key);
  if (stored === undefined)
    throw new BucketError('ERR_BUCKET_IO', key, 'was written but cannot be read back');
  return stored;
}

async function read(bucket: Bucket, key: string): Promise<StoredAccount | undefined> {
  const object = await bucket.get(key);
  if (object === undefined) return undefined;
  try {
    return { record: accountRecord.parse(JSON.parse(object.body.toString('utf8'))), etag: object.etag };
  } catch {
    // Neither parser's message is passed on: it may quote the key.
    throw new BucketError('ERR_BUCKET_IO', key, 'is no account record that this version can read');
  }
}

function generateAccountKey(): string {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
}

function conflict(deps: AccountDeps): BucketError {
  const key = layout.account(deps.settings.directoryUrl);
  return new BucketError('ERR_BUCKET_CONFLICT', key, 'another pass has changed the account; try again');
}
