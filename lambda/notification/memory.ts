/**
 * What was told: `issuer/notified.json`. Changes are what differs between it and what is true now. Where it is lost or broken, what stands is
 * told once more, in one notice for each kind, and what was renewed before is no news.
 */
import * as z from 'zod';
import { digest } from '#contract/combined-pem.ts';
import { codeOf } from '#contract/errors.ts';
import { layout } from '#contract/layout.ts';
import type { Bucket } from '#storage/bucket.ts';
import { instant, readCached, serializeCached } from '#storage/cached-document.ts';
import { notice } from './notice.ts';

const followed = z.object({
  kind: z.enum(['failing', 'expiring', 'behind', 'silent', 'drift']),
  certificate: z.string().optional(),
  fleet: z.string().optional(),
  host: z.string().optional(),
  code: z.string(),
  since: instant,
  /** Of what was told; absent: it has not stood for long enough. */
  stage: z.number().int().optional(),
  /** It has stood in a notice by name, not only in its number. */
  isNamed: z.literal(true).optional(),
  /** Since when it is away; it may come back. */
  awaySince: instant.optional(),
  /** Its end was told; kept for a day, so that what flaps is known. */
  endedAt: instant.optional(),
  /** How often it began, of late. */
  openings: z.number().int().optional(),
});

const pending = z.object({
  notice,
  /** By name: who has not got it. */
  channels: z.array(z.string()).max(50),
  attempts: z.number().int(),
  /** A program is at it until then. */
  busyUntil: instant.optional(),
});

const notified = z.object({
  version: z.literal(1),
  /** By fleet and name: serials, as told. */
  certificates: z.record(z.string(), z.record(z.string(), z.string())),
  conditions: z.record(z.string(), followed),
  digestAt: instant.optional(),
  pending: z.array(pending).max(200),
});

export type Followed = z.infer<typeof followed>;
export type PendingNotice = z.infer<typeof pending>;
export type NoticeMemory = Omit<z.infer<typeof notified>, 'version'>;

/** As stored; `value` is undefined where there is none, or it cannot be read. */
export interface StoredMemory {
  value: NoticeMemory | undefined;
  /** Of its text. */
  sha256: string | undefined;
  etag: string | undefined;
}

export const EMPTY_MEMORY: NoticeMemory = { certificates: {}, conditions: {}, pending: [] };

export function readMemory(bucket: Bucket): Promise<StoredMemory> {
  return readCached(bucket, layout.notified, notified);
}

/** @returns undefined: another program was first */
export async function saveMemory(
  bucket: Bucket,
  memory: NoticeMemory,
  stored: Pick<StoredMemory, 'sha256' | 'etag'>,
): Promise<StoredMemory | undefined> {
  const next = serializeCached({ version: 1, ...memory });
  const sha256 = digest(next);
  const { etag } = stored;
  if (sha256 === stored.sha256) return { value: memory, sha256, etag };
  const condition = etag === undefined ? ({ ifNoneMatch: '*' } as const) : { ifMatch: etag };
  try {
    const result = await bucket.put(layout.notified, next, condition);
    return result === 'precondition-failed' ? undefined : { value: memory, sha256, etag: result.etag };
  } catch (error) {
    if (codeOf(error) === 'ERR_BUCKET_CONFLICT') return undefined;
    throw error;
  }
}
