/**
 * `issuer/replace.json`: certificates that an operator wants replaced before they are due, because their CA revokes them, or their keys are
 * known to others. The command writes it, and passes obey it until nothing is left that it covers: nobody has to be there meanwhile, a killed
 * pass loses nothing, and what was issued since is not replaced again.
 */
import * as z from 'zod';
import { listOf } from '#contract/collection.ts';
import { type DocumentCodes, dateTime, parseDocument, serializeDocument } from '#contract/document.ts';
import { BucketError, ContractError } from '#contract/errors.ts';
import { layout } from '#contract/layout.ts';
import type { Bucket, PutCondition } from '#storage/bucket.ts';

/** Requests at the same time: a CA that finds more of its certificates wrong adds one. */
export const MAX_REQUESTS = 16;
/** Serials of one request: two for each of the 50,000 certificates of a bucket. */
const MAX_SERIALS = 100_000;
/** Characters of a reason. */
export const MAX_REASON = 500;

/** In upper-case hexadecimal without leading zero bytes, as in the manifest; RFC 5280 §4.1.2.2 allows twenty bytes. */
const serialNumber = z.string().regex(/^[0-9A-F]{1,40}$/);

/**
 * What is covered has all of these. Strict: a member that this version does not know narrows the request, and without it too much would be
 * ordered.
 */
const replacementScope = z
  .strictObject({
    /** Everything; stands alone. */
    all: z.literal(true).optional(),
    /** Issued by this CA. */
    directoryUrl: z.url().max(2000).optional(),
    /** Valid from an earlier time on. */
    issuedBefore: dateTime.optional(),
    serials: listOf(serialNumber, MAX_SERIALS).optional(),
  })
  .refine(
    ({ all, ...conditions }) =>
      (all === true) === Object.values(conditions).every((one) => one === undefined),
    'wanted all, or at least one condition',
  );

const replacementRequest = z.looseObject({
  /** By the store's clock: what was published before is replaced. */
  at: dateTime,
  scope: replacementScope,
  reason: z.string().max(MAX_REASON).optional(),
  /** That it covered at first, of those that were configured. */
  certificates: z.number().int().min(0),
});

const requestsDocument = z.looseObject({
  version: z.literal(1),
  requests: listOf(replacementRequest, MAX_REQUESTS),
});

export type ReplacementScope = z.infer<typeof replacementScope>;
export type ReplacementRequest = z.infer<typeof replacementRequest>;

const CODES: DocumentCodes = {
  schema: 'ERR_REPLACE_REQUEST',
  version: 'ERR_REPLACE_REQUEST',
  bounds: { maxItems: MAX_SERIALS },
};
const MAX_TRIES = 20;

/** @returns the requests, the oldest first. @throws ContractError `ERR_REPLACE_REQUEST`; BucketError */
export async function readRequests(bucket: Bucket): Promise<ReplacementRequest[]> {
  return (await read(bucket)).requests;
}

/**
 * Changes the document as it is at the moment of writing.
 * @param change gets the requests that it has. @throws ContractError `ERR_REPLACE_REQUEST`; BucketError
 */
export async function changeRequests(
  bucket: Bucket,
  change: (requests: readonly ReplacementRequest[]) => readonly ReplacementRequest[],
): Promise<void> {
  for (let attempt = 0; attempt < MAX_TRIES; attempt += 1) {
    const { requests, condition } = await read(bucket);
    const document = serializeDocument({ version: 1, requests: change(requests) });
    const result = await bucket.put(layout.replacements, document, condition);
    if (result !== 'precondition-failed') return;
  }
  const says = `other writers were faster ${MAX_TRIES} times`;
  throw new BucketError('ERR_BUCKET_CONFLICT', layout.replacements, says);
}

/** Ends all requests, also of a document that cannot be read. @throws BucketError */
export async function cancelRequests(bucket: Bucket): Promise<void> {
  try {
    await changeRequests(bucket, () => []);
  } catch (error) {
    if (!(error instanceof ContractError)) throw error;
    // What nobody can read, nobody obeys: nothing is lost with it.
    await bucket.put(layout.replacements, serializeDocument({ version: 1, requests: [] }));
  }
}

async function read(bucket: Bucket): Promise<{ requests: ReplacementRequest[]; condition: PutCondition }> {
  const key = layout.replacements;
  const object = await bucket.get(key);
  if (object === undefined) return { requests: [], condition: { ifNoneMatch: '*' } };
  const { requests } = parseDocument(requestsDocument, CODES, key, object.body);
  return { requests, condition: { ifMatch: object.etag } };
}
