/**
 * The one ACME account of a CA. Its key is stored, under a condition, before it is registered: however many
 * first passes start together, all of them register the same key, and the CA answers with the same account.
 */
import { generateKeyPairSync } from 'node:crypto';
import * as z from 'zod';
import type { Bucket } from '#contract/bucket/bucket.ts';
import { BucketError } from '#contract/errors.ts';
import { layout } from '#contract/layout.ts';
import { newAccount } from './acme/account.ts';
import { type AcmeClient, openAcmeClient } from './acme/client.ts';
import type { Transport } from './acme/transport.ts';
import type { Config } from './config.ts';

const accountRecord = z.looseObject({ version: z.literal(1), key: z.string(), url: z.url().optional() });
type AccountRecord = z.infer<typeof accountRecord>;

export async function openAccount(
  bucket: Bucket,
  acme: Config['acme'],
  exchange: Transport,
  now: () => Date,
): Promise<AcmeClient> {
  const key = layout.account(acme.directoryUrl);
  const { record, etag } = (await read(bucket, key)) ?? (await create(bucket, key));
  const options = { directoryUrl: acme.directoryUrl, accountKey: record.key, exchange, now };
  const client = await openAcmeClient({
    ...options,
    ...(record.url !== undefined && { accountUrl: record.url }),
  });
  if (record.url !== undefined) return client;
  const url = await newAccount(client, {
    contact: acme.contact,
    termsOfServiceAgreed: acme.termsOfServiceAgreed,
  });
  // Whoever loses this race registered the same key and has the same URL: nothing is lost.
  await bucket.put(key, serialize({ ...record, url }), { ifMatch: etag });
  return client;
}

async function read(
  bucket: Bucket,
  key: string,
): Promise<{ record: AccountRecord; etag: string } | undefined> {
  const object = await bucket.get(key);
  if (object === undefined) return undefined;
  try {
    return { record: accountRecord.parse(JSON.parse(object.body.toString('utf8'))), etag: object.etag };
  } catch {
    // Neither parser's message is passed on: it may quote the key.
    throw new BucketError('ERR_BUCKET_IO', key, 'is no account record that this version can read');
  }
}

async function create(bucket: Bucket, key: string): Promise<{ record: AccountRecord; etag: string }> {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const record: AccountRecord = {
    version: 1,
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
  await bucket.put(key, serialize(record), { ifNoneMatch: '*' });
  // Read back: another pass may have been first, then its key counts.
  const stored = await read(bucket, key);
  if (stored === undefined)
    throw new BucketError('ERR_BUCKET_IO', key, 'was written but cannot be read back');
  return stored;
}

function serialize(record: AccountRecord): string {
  return `${JSON.stringify(record, null, 2)}\n`;
}
