/**
 * Documents that the issuer keeps only to save work. One that cannot be read is started over: losing it costs a few
 * requests. Account and order records are not of this kind: they hold keys.
 */
import * as z from 'zod';
import { digest } from '#contract/combined-pem.ts';
import { isObjectFault } from '#contract/errors.ts';
import { parseJson } from '#contract/json.ts';
import type { Bucket, HostBucket, StoredObject } from './bucket.ts';

/** A time in a stored document. */
export const instant = z.iso.datetime().transform((value) => new Date(value));

interface CachedDocument<T> {
  /** Undefined if there is none, or it cannot be read. */
  value: T | undefined;
  /** SHA-256 of it as stored, and its ETag; undefined if there is none, or the store does not give it. */
  sha256: string | undefined;
  etag: string | undefined;
}

export async function readCached<T>(
  bucket: Bucket,
  key: string,
  schema: z.ZodType<T>,
): Promise<CachedDocument<T>> {
  const object = await readUnlessSpoilt(bucket, key);
  if (object === undefined) return { value: undefined, sha256: undefined, etag: undefined };
  const { body, etag } = object;
  return { value: parseCached(body, schema), sha256: digest(body), etag };
}

/** @returns undefined: it is no such document */
export function parseCached<T>(body: Buffer, schema: z.ZodType<T>): T | undefined {
  return schema.safeParse(jsonOf(body)).data;
}

/** @returns undefined also for an object that is as good as lost */
export async function readUnlessSpoilt(
  bucket: Pick<HostBucket, 'get'>,
  key: string,
): Promise<StoredObject | undefined> {
  try {
    return await bucket.get(key);
  } catch (error) {
    if (isObjectFault(error)) return undefined;
    throw error;
  }
}

export function serializeCached(value: object): string {
  return `${JSON.stringify(value, null, 1)}\n`;
}

function jsonOf(body: Buffer): unknown {
  try {
    return parseJson(body, { maxItems: 100_000 });
  } catch {
    return undefined;
  }
}
