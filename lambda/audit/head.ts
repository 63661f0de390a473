/** `issuer/audit/head.json`: where the trail ends, so that lines which are taken off its end are missed. It only moves forward. */
import * as z from 'zod';
import { layout, sha256Hex } from '#contract/layout.ts';
import type { Bucket } from '#storage/bucket.ts';
import { readCached } from '#storage/cached-document.ts';

const auditHead = z.object({
  version: z.literal(1),
  /** Of the last line. */
  sequence: z.number().int().positive(),
  hash: sha256Hex,
  /** Number of the object that holds it. */
  object: z.number().int().positive(),
});

export type AuditHead = Omit<z.infer<typeof auditHead>, 'version'>;

export interface StoredHead {
  /** Undefined: there is none, or it cannot be read. */
  head: AuditHead | undefined;
  etag: string | undefined;
  /** SHA-256 of it as stored. */
  sha256: string | undefined;
}

export async function readAuditHead(bucket: Bucket): Promise<StoredHead> {
  const { value, etag, sha256 } = await readCached(bucket, layout.auditHead, auditHead);
  return { head: value, etag, sha256 };
}

export function headText({ sequence, hash, object }: AuditHead): string {
  return `${JSON.stringify({ version: 1, sequence, hash, object })}\n`;
}
