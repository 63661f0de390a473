/**
 * What a pass that was killed needs to go on: the key before it is used, the order's URL before it is driven,
 * failures with the time of the next attempt. A record exists only while an order is in flight or failing.
 */
import * as z from 'zod';
import { inParallel } from '#common/in-parallel.ts';
import { serializeDocument } from '#contract/document.ts';
import { BucketError, ContractError } from '#contract/errors.ts';
import { parseJson } from '#contract/json.ts';
import { type CertificateName, directoryUrl, documentName, layout, TOKEN } from '#contract/layout.ts';
import type { Bucket } from '#storage/bucket.ts';
import { instant } from '#storage/cached-document.ts';
import { CHALLENGES } from '../config/challenge.ts';

/** After so many failures `replaces` (RFC 9773 §5) may be what fails, and is left out. */
export const FAILURES_WITH_REPLACES = 2;

const presented = z.object({
  identifier: z.string(),
  token: z.string().regex(TOKEN),
  keyAuthorization: z.string(),
  /** By which solver; absent: by that of the version that wrote it. */
  challenge: z.enum(CHALLENGES).optional().catch(undefined),
});

/** The order of one key type; a pair has two, which are published together. */
const leg = z.looseObject({
  keyType: z.string(),
  /** PKCS#8 PEM. The prefix `issuer/` is readable by the issuer alone. */
  key: z.string(),
  /** certID (RFC 9773 §4.1) of the certificate that the order replaces. */
  replaces: z.string().optional(),
  /** Set as soon as newOrder has answered. */
  orderUrl: z.url().optional(),
  /** Challenge answers that were, or were about to be, presented: the next pass removes them if this one dies. */
  presented: z.array(presented).default([]),
  /** When the CA was first asked to validate what is presented. */
  respondedAt: instant.optional(),
  /** URLs of earlier orders that were given up: the account's list may still show them as open. */
  abandoned: z.array(z.string()).optional(),
  /** The CA refused to make an order, so none is lost that the record does not name. */
  isRefused: z.boolean().optional(),
  /** Since when the CA issues, and has not come to an end. */
  processingSince: instant.optional(),
});

const orderRecord = z.looseObject({
  version: z.literal(1),
  createdAt: instant,
  /** Of the CA that has the order. */
  directoryUrl,
  identifiers: z.array(z.string()).min(1),
  profile: z.string().optional(),
  legs: z.array(leg).min(1).max(2),
  /** In a row. */
  failures: z.number().int().min(0).default(0),
  /** By which the names are being proven. */
  challenge: z.enum(CHALLENGES).optional().catch(undefined),
  /** Of `failures`, those of each challenge. */
  challengeFailures: z.partialRecord(z.enum(CHALLENGES), z.number().int().min(0)).optional().catch(undefined),
  /** The CA did not know the account any more, and it was registered again. */
  isAccountRenewed: z.boolean().optional(),
  /** In a row, at the CAs that were asked before this one. */
  failuresElsewhere: z.number().int().min(0).optional(),
  /** The next attempt comes no earlier. */
  notBefore: instant,
  lastFailure: z
    .looseObject({
      at: instant,
      code: z.string(),
      message: z.string(),
      isCaFault: z.boolean().default(false),
      /** This CA's own policy refuses what another one may accept. */
      isPolicy: z.boolean().optional(),
    })
    .optional(),
});

export type OrderRecord = z.infer<typeof orderRecord>;
export type LegRecord = OrderRecord['legs'][number];

/** Older ones are no longer in any list. */
const MAX_ABANDONED = 5;

/** A leg whose order is given up. Its answers stay named: they are still to be removed. */
export function withoutOrder(given: LegRecord): LegRecord {
  const abandoned = [...(given.abandoned ?? []), given.orderUrl ?? []].flat().slice(-MAX_ABANDONED);
  return { ...given, orderUrl: undefined, respondedAt: undefined, processingSince: undefined, abandoned };
}

/**
 * Orders that the CA has given out, and that may still become valid: to go on with them costs no new one. A name that was not validated
 * ends its order (RFC 8555 §7.1.6), until the next attempt has responded for another one.
 */
export function openOrders({ legs, lastFailure }: Pick<OrderRecord, 'legs' | 'lastFailure'>): number {
  const isEnded = ({ respondedAt }: LegRecord) =>
    lastFailure?.code === 'ERR_AUTHORIZATION' && respondedAt === undefined;
  return legs.filter((leg) => leg.orderUrl !== undefined && !isEnded(leg)).length;
}

/** By URL: every order that the record names. */
export function namedOrders({ legs }: Pick<OrderRecord, 'legs'>): string[] {
  return legs.flatMap(({ abandoned = [], orderUrl }) => [
    ...abandoned,
    ...(orderUrl === undefined ? [] : [orderUrl]),
  ]);
}

/** A record as the bucket holds it, and the ETag under which it may be replaced; saving changes both. */
export interface StoredRecord {
  readonly name: CertificateName;
  /** An earlier pass made it. */
  readonly isResumed: boolean;
  record: OrderRecord;
  etag: string;
}

/** Both by certificate. */
export interface OrderRecords {
  records: Map<string, StoredRecord>;
  /** A certificate whose record cannot be read fails, the others do not. */
  unreadable: Map<string, ContractError | BucketError>;
  /** The records cannot be listed: which certificates have one is unknown. */
  error?: BucketError;
}

const READS_AT_ONCE = 50;

function bucketErrorOf(error: unknown): BucketError {
  if (error instanceof BucketError) return error;
  throw error;
}

/** Costs one listing, and one read for each order in flight. */
export async function readOrderRecords(bucket: Bucket): Promise<OrderRecords> {
  const all: OrderRecords = { records: new Map(), unreadable: new Map() };
  const keys = await bucket.list(layout.orders).catch(bucketErrorOf);
  if (keys instanceof BucketError) return { ...all, error: keys };
  const read = await inParallel(
    keys,
    READS_AT_ONCE,
    async (key) => ({ name: nameOfRecord(key), record: await readRecord(bucket, key).catch(bucketErrorOf) }),
    (key) => key,
  );
  for (const { name, record } of read) {
    if (record instanceof Error) all.unreadable.set(name, record);
    else if (record !== undefined) all.records.set(name, record);
  }
  return all;
}

/** @throws BucketError `ERR_BUCKET_CONFLICT` if another pass was first */
export async function createOrderRecord(
  bucket: Bucket,
  name: CertificateName,
  record: OrderRecord,
): Promise<StoredRecord> {
  const etag = await write(bucket, name, record, { ifNoneMatch: '*' });
  return { name, isResumed: false, record, etag };
}

/** @throws BucketError `ERR_BUCKET_CONFLICT` if another pass has changed it */
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

function nameOfRecord(key: string): CertificateName {
  return documentName(layout.orders, key) as CertificateName;
}

async function readRecord(bucket: Bucket, key: string): Promise<StoredRecord | ContractError | undefined> {
  const object = await bucket.get(key);
  if (object === undefined) return undefined;
  try {
    const record = orderRecord.parse(parseJson(object.body));
    return { name: nameOfRecord(key), isResumed: true, record, etag: object.etag };
  } catch {
    // Neither parser's message is passed on: it may quote the key.
    const message = 'is no order record that this version can read; move it away, and a new order is placed';
    return new ContractError('ERR_ORDER_RECORD', key, message);
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
