/**
 * What a pass that was killed needs to go on: the key before it is used, the order's URL before it is driven,
 * failures with the time of the next attempt. A record exists only while an order is in flight or failing.
 */
import * as z from 'zod';
import { ConfigError } from '#common/config-error.ts';
import { serializeDocument } from '#contract/document.ts';
import { BucketError } from '#contract/errors.ts';
import { type CertificateName, layout, TOKEN } from '#contract/layout.ts';
import type { Bucket } from '#storage/bucket.ts';
import { instant } from '#storage/cached-document.ts';

const presented = z.object({
  identifier: z.string(),
  token: z.string().regex(TOKEN),
  keyAuthorization: z.string(),
});

/** The order of one key type; a pair has two, which are published together. */
const leg = z.looseObject({
  keyType: z.string(),
  /** PKCS#8 PEM. The prefix `issuer/` is readable by the issuer alone. */
  key: z.string(),
  /** certID (RFC 9773 §4.1) that the order names, or shall name. */
  replaces: z.string().optional(),
  /** Set as soon as newOrder has answered. */
  orderUrl: z.url().optional(),
  /** Challenge answers that were, or were about to be, presented: to be removed if the pass died. */
  presented: z.array(presented).default([]),
});

const orderRecord = z.looseObject({
  version: z.literal(1),
  createdAt: instant,
  directoryUrl: z.url(),
  identifiers: z.array(z.string()).min(1),
  profile: z.string().optional(),
  legs: z.array(leg).min(1).max(2),
  failures: z.number().int().min(0).default(0),
  /** No attempt before. */
  notBefore: instant,
  lastFailure: z
    .looseObject({
      at: instant,
      code: z.string(),
      message: z.string(),
      isCaFault: z.boolean().default(false),
    })
    .optional(),
});

export type OrderRecord = z.infer<typeof orderRecord>;
export type OrderLeg = OrderRecord['legs'][number];

/** A record as the bucket holds it, and the ETag under which it may be replaced; saving moves it on. */
export interface StoredRecord {
  readonly name: CertificateName;
  record: OrderRecord;
  etag: string;
}

export interface FoundRecords {
  records: Map<string, StoredRecord>;
  /** Certificates whose record cannot be read: they fail, the others go on. */
  unreadable: Map<string, Error>;
}

/** One listing, then one read for each order in flight: nothing where nothing is in flight. */
export async function readOrderRecords(bucket: Bucket): Promise<FoundRecords> {
  const keys = await bucket.list(layout.orders);
  const found: FoundRecords = { records: new Map(), unreadable: new Map() };
  for (const read of await Promise.all(keys.map((key) => readRecord(bucket, key)))) {
    if (read instanceof Unreadable) found.unreadable.set(read.certificate, read);
    else if (read !== undefined) found.records.set(read.name, read);
  }
  return found;
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

export function saveLeg(
  bucket: Bucket,
  stored: StoredRecord,
  index: number,
  change: Partial<OrderLeg>,
): Promise<void> {
  const legs = stored.record.legs.map((old, at) => (at === index ? { ...old, ...change } : old));
  return saveOrderRecord(bucket, stored, { legs });
}

export function deleteOrderRecord(bucket: Bucket, name: CertificateName): Promise<void> {
  return bucket.delete(layout.order(name));
}

class Unreadable extends ConfigError {
  readonly certificate: string;
  constructor(certificate: string, message: string) {
    super('ERR_CONFIG', message);
    this.certificate = certificate;
  }
}

async function readRecord(bucket: Bucket, key: string): Promise<StoredRecord | Unreadable | undefined> {
  const object = await bucket.get(key);
  if (object === undefined) return undefined;
  const name = key.slice(layout.orders.length).replace(/\.json$/, '') as CertificateName;
  try {
    return { name, record: orderRecord.parse(JSON.parse(object.body.toString('utf8'))), etag: object.etag };
  } catch {
    // Neither parser's message is passed on: it may quote the key.
    return new Unreadable(
      name,
      `${key} is no order record that this version can read; move it away to order anew`,
    );
  }
}

async function write(
  bucket: Bucket,
  name: CertificateName,
  record: OrderRecord,
  condition: { ifNoneMatch: '*' } | { ifMatch: string },
): Promise<string> {
  const key = layout.order(name);
  const result = await bucket.put(key, serializeDocument(record), condition);
  if (result !== 'precondition-failed') return result.etag;
  throw new BucketError('ERR_BUCKET_CONFLICT', key, 'another pass is at work on this certificate');
}
