/**
 * What a pass that was killed needs to go on: the key before it is used, the order's URL before it is driven,
 * failures with the time of the next attempt. A record exists only while an order is in flight or failing.
 */
import * as z from 'zod';
import type { Bucket } from '#contract/bucket/bucket.ts';
import { BucketError, codeOf, messageOf, PemRejected } from '#contract/errors.ts';
import { type CertificateName, layout, TOKEN } from '#contract/layout.ts';
import { AcmeDeadline, AcmeProblem } from './acme/problem.ts';
import { ConfigError } from './errors.ts';

const instant = z.iso.datetime().transform((value) => new Date(value));

const orderRecord = z.looseObject({
  version: z.literal(1),
  createdAt: instant,
  directoryUrl: z.url(),
  identifiers: z.array(z.string()).min(1),
  keyType: z.string(),
  profile: z.string().optional(),
  /** certID (RFC 9773 §4.1) that the order names, or shall name. */
  replaces: z.string().optional(),
  /** PKCS#8 PEM. The prefix `issuer/` is readable by the issuer alone. */
  key: z.string(),
  /** Set as soon as newOrder has answered. */
  orderUrl: z.url().optional(),
  /** Challenge answers that were, or were about to be, presented: to be removed if the pass died. */
  presented: z
    .array(z.object({ identifier: z.string(), token: z.string().regex(TOKEN), keyAuthorization: z.string() }))
    .default([]),
  failures: z.number().int().min(0).default(0),
  /** No attempt before. */
  notBefore: instant,
  lastFailure: z.looseObject({ at: instant, code: z.string(), message: z.string() }).optional(),
});

export type OrderRecord = z.infer<typeof orderRecord>;

/** A record as the bucket holds it, and the ETag under which it may be replaced; saving moves it on. */
export interface StoredRecord {
  readonly name: CertificateName;
  record: OrderRecord;
  etag: string;
}

/** One listing, then one read for each order in flight: nothing where nothing is in flight. */
export async function readOrderRecords(bucket: Bucket): Promise<Map<string, StoredRecord>> {
  const keys = await bucket.list(layout.orders);
  const stored = await Promise.all(keys.map((key) => readRecord(bucket, key)));
  return new Map(stored.flatMap((item) => (item === undefined ? [] : [[item.name, item]])));
}

/** @throws BucketError `ERR_BUCKET_CONFLICT` if another pass was first */
export async function createOrderRecord(
  bucket: Bucket,
  name: CertificateName,
  record: OrderRecord,
): Promise<StoredRecord> {
  return { name, record, etag: await write(bucket, name, record, { ifNoneMatch: '*' }) };
}

/** @throws BucketError `ERR_BUCKET_CONFLICT` if another pass has moved on with it */
export async function saveOrderRecord(
  bucket: Bucket,
  stored: StoredRecord,
  change: Partial<OrderRecord>,
): Promise<void> {
  const record = { ...stored.record, ...change };
  stored.etag = await write(bucket, stored.name, record, { ifMatch: stored.etag });
  stored.record = record;
}

export function deleteOrderRecord(bucket: Bucket, name: CertificateName): Promise<void> {
  return bucket.delete(layout.order(name));
}

const MINUTE_MS = 60_000;
/** Let's Encrypt's integration guide: 1 min, 10 min, 100 min, then daily. */
const BACK_OFF_MS = [MINUTE_MS, 10 * MINUTE_MS, 100 * MINUTE_MS];
const DAY_MS = 86_400_000;

/**
 * What changes in the record after a failed attempt. A CA's Retry-After wins; up to a fifth of jitter keeps certificates apart.
 * @param random in [0, 1)
 */
export function afterFailure(
  record: OrderRecord,
  error: unknown,
  now: Date,
  random: number,
): Partial<OrderRecord> {
  const lastFailure = { at: now, code: codeOf(error), message: messageOf(error) };
  const retryAfter =
    error instanceof AcmeProblem || error instanceof AcmeDeadline ? error.retryAfter : undefined;
  // Out of time is no failure of the order: the next pass goes on at once.
  const failures = error instanceof AcmeDeadline ? record.failures : record.failures + 1;
  const wait = failures === 0 ? 0 : (BACK_OFF_MS[failures - 1] ?? DAY_MS) * (1 + random / 5);
  const notBefore = new Date(Math.max(retryAfter?.getTime() ?? 0, now.getTime() + wait));
  // A certificate that was refused is looked at once more (a clock may have been wrong), then ordered anew.
  const isSpent = error instanceof PemRejected && failures > 1;
  return { failures, notBefore, lastFailure, ...(isSpent && { orderUrl: undefined }) };
}

async function readRecord(bucket: Bucket, key: string): Promise<StoredRecord | undefined> {
  const object = await bucket.get(key);
  if (object === undefined) return undefined;
  const name = key.slice(layout.orders.length).replace(/\.json$/, '') as CertificateName;
  try {
    return { name, record: orderRecord.parse(JSON.parse(object.body.toString('utf8'))), etag: object.etag };
  } catch {
    // Neither parser's message is passed on: it may quote the key.
    throw new ConfigError(`${key} is no order record that this version can read; move it away to order anew`);
  }
}

async function write(
  bucket: Bucket,
  name: CertificateName,
  record: OrderRecord,
  condition: { ifNoneMatch: '*' } | { ifMatch: string },
): Promise<string> {
  const key = layout.order(name);
  const result = await bucket.put(key, `${JSON.stringify(record, null, 2)}\n`, condition);
  if (result !== 'precondition-failed') return result.etag;
  throw new BucketError('ERR_BUCKET_CONFLICT', key, 'another pass is at work on this certificate');
}
