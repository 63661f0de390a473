/** What the agent knows of a file between passes. */
import * as z from 'zod';
import { dateTime } from '#contract/document.ts';
import { certificateName, sha256Hex } from '#contract/layout.ts';
import { sequenceNumber } from '#contract/receipt.ts';
import { leftFile } from './left.ts';

/** What the manifest said of a PEM that the agent wrote, or was about to write. */
const pemRecord = z.looseObject({
  sha256: sha256Hex,
  /** Of the manifest that published it first: an older one does not replace it. */
  sequence: sequenceNumber,
  /** The issuer's statement (receipt.ts). */
  receipt: z.string().optional(),
});

const failure = z.looseObject({
  /** Digest of the PEM that failed: a new publication is tried at once. */
  sha256: sha256Hex,
  /** The crt-list line it was to have then: a new one is tried at once, too. */
  listing: z.string().optional(),
  code: z.string(),
  message: z.string(),
  attempts: z.number().int().positive(),
  notBefore: dateTime,
  /** Of the worker that a handshake has shown so: another one is asked at once. */
  pid: z.number().int().optional(),
});

export const fileRecord = z.looseObject({
  certificate: certificateName,
  /** Digests that the agent wrote, or was about to write when it was killed. Only such a file may be removed. */
  written: z.array(sha256Hex),
  /** Of those of `written` that a manifest of version 2 has named. */
  receipts: z.array(pemRecord).optional(),
  /** The line in the crt-list that the manifest asked for: kept when it names the file no more. */
  listing: z.looseObject({ crtListOptions: z.array(z.string()), sniFilters: z.array(z.string()) }).optional(),
  /** Since when the manifest names neither the file nor its end: logged once. */
  unlisted: z.looseObject({ since: dateTime }).optional(),
  /** What TLS handshakes had proved, of an agent that kept it without the time: due at once (proof/document.ts). */
  proven: z.looseObject({ sha256: sha256Hex, addresses: z.array(z.string()) }).optional(),
  /** Digest of the OCSP response that HAProxy has taken. */
  stapled: sha256Hex.optional(),
  /** Its `nextUpdate`: until then it is kept when the manifest names the file no more. */
  stapledUntil: dateTime.optional(),
  /** Digests of OCSP responses that the agent wrote, or was about to write. */
  staples: z.array(sha256Hex).optional(),
  /** Digest of another program's content that the operator has given to the agent: kept until ours is proved. */
  adopted: sha256Hex.optional(),
  failure: failure.optional(),
  /** Why the file, which the manifest no longer names, is still in HAProxy: logged once. */
  waiting: z.looseObject({ code: z.string(), since: dateTime }).optional(),
  /** As the last pass has left it. */
  left: leftFile.optional(),
});

export type PemRecord = z.infer<typeof pemRecord>;
export type Failure = z.infer<typeof failure>;
export type FileRecord = z.infer<typeof fileRecord>;

/** By name of the file. */
export type FileRecords = ReadonlyMap<string, FileRecord>;
