/**
 * Documents that the issuer keeps only to save work. One that cannot be read is started over: losing it costs a few
 * requests. Account and order records are not of this kind: they hold keys.
 */
import * as z from 'zod';
import type { Bucket } from './bucket.ts';

/** A time in a stored document. */
export const instant = z.iso.datetime().transform((value) => new Date(value));

/** @returns the value, undefined if there is none or it cannot be read; and the stored text */
export async function readCached<T>(
  bucket: Bucket,
  key: string,
  schema: z.ZodType<T>,
): Promise<{ value: T | undefined; text: string | undefined }> {
  const text = (await bucket.get(key))?.body.toString('utf8');
  return { value: text === undefined ? undefined : schema.safeParse(parseJson(text)).data, text };
}

export function serializeCached(value: object): string {
  return `${JSON.stringify(value, null, 1)}\n`;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
