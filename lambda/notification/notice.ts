/** What people and programs are told: changes, and notices that each carry one change or many of a kind. docs/notifications.md is the schema. */
import * as z from 'zod';
import { NOTICE_KINDS } from '../config/notify/channel.ts';

/** Of one notice, the changes that stand in it one by one; the rest is a number. */
export const MAX_CHANGES = 20;
/** Of one text from outside, after `printable` and a cut. */
const MAX_TEXT = 4000;
const [MAX_LIST, MAX_NAME] = [20, 300];

const name = z.string().max(MAX_NAME);
const kind = z.enum(NOTICE_KINDS);

export const change = z.object({
  /** The same each time that it is sent: receivers drop doubles by it. */
  id: z.string().max(64),
  kind,
  at: z.iso.datetime(),
  certificate: name.optional(),
  /** Of a change at one host, one. */
  fleets: z.array(name).max(MAX_LIST).optional(),
  host: name.optional(),
  /** `issued`, `renewed`, `rolled-back`, `imported` (renewed); `withdrawn`, `revoked`, `superseded` (withdrawn). */
  action: name.optional(),
  /** An error code, or a word of ours. */
  code: name.optional(),
  /** Why, in words from outside. */
  reason: z.string().max(MAX_TEXT).optional(),
  /** RFC 3339: since when it stands, or stood. */
  since: z.iso.datetime().optional(),
  serial: z.string().max(200).optional(),
  previousSerial: z.string().max(200).optional(),
  /** RFC 3339. */
  notAfter: z.iso.datetime().optional(),
  identifiers: z.array(name).max(MAX_LIST).optional(),
  attempts: z.number().int().optional(),
  /** RFC 3339. */
  nextAttempt: z.iso.datetime().optional(),
  /** Of `recovered`: the kind of what has ended. */
  ended: kind.optional(),
  /** What stood, or stands: by it a receiver of levels finds its alert. */
  conditions: z.array(z.string().max(1000)).max(MAX_LIST).optional(),
});

const digest = z.object({
  certificates: z.number().int(),
  fleets: z.number().int(),
  hosts: z.number().int(),
  /** In the week before. */
  renewed: z.number().int(),
  /** Of the certificate that ends first. */
  firstEnd: z.object({ certificate: name, notAfter: z.iso.datetime() }).optional(),
});

export const notice = z.object({
  id: z.string().max(64),
  kind,
  at: z.iso.datetime(),
  /** URL: of which deployment it is. */
  bucket: z.string().max(2048),
  /** Of changes; the first stand in `changes`. Of a digest: of what stands. */
  count: z.number().int().nonnegative(),
  changes: z.array(change).max(MAX_CHANGES),
  /** By kind: how many stand, with this one. */
  standing: z.partialRecord(kind, z.number().int().nonnegative()),
  digest: digest.optional(),
});

export type NoticeChange = z.infer<typeof change>;
export type Notice = z.infer<typeof notice>;
export type NoticeDigest = z.infer<typeof digest>;
