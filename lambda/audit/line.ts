/**
 * One line of the audit trail: who changed what, when and why. Each has the hash of the line before it, so that what is changed, taken out,
 * or put in another order later is found. Nobody's key or password is in it.
 */
import { createHash } from 'node:crypto';
import * as z from 'zod';
import { dateTime } from '#contract/document.ts';
import { certificateName, fleetName, sha256Hex } from '#contract/layout.ts';

/** Characters of a text that an operator gives. */
const MAX_AUDIT_TEXT = 500;
/** Of a pair, two; a name that had many versions has all of them ended at once. */
const MAX_SERIALS = 20;

const text = z.string().max(MAX_AUDIT_TEXT);
const serials = z.array(z.string().max(64)).max(MAX_SERIALS);

const auditLine = z.looseObject({
  /** 1 for the first line of the trail, one more for each. */
  sequence: z.number().int().positive(),
  /** By the store's clock. */
  at: dateTime,
  /** The user of a machine, or the ARN of a function. */
  by: text,
  /** Only `by` itself says so: a machine's word about its user. */
  isClaimed: z.literal(true).optional(),
  host: text.optional(),
  /** The command line, or `pass` for one of a function. */
  command: text,
  /** ARN of the function that somebody has invoked for it, with its alias, and the id of that request: CloudTrail knows whose it was. */
  function: text.optional(),
  request: text.optional(),
  /** For example `renewed`, `withdrawn`, `rolled-back`, `held`: docs/bucket.md has the table. */
  action: z.string().max(64),
  fleet: fleetName.optional(),
  certificate: certificateName.optional(),
  /** Serials that were published, and that are now; absent: the action concerns none. */
  before: serials.optional(),
  after: serials.optional(),
  reason: text.optional(),
  /** SHA-256 of the line before it; of the first one, zeros. */
  previous: sha256Hex,
});

export type AuditLine = z.infer<typeof auditLine>;

/** What an action says of itself; the trail adds the rest. */
export type AuditFact = Pick<AuditLine, 'action' | 'fleet' | 'certificate' | 'before' | 'after' | 'reason'>;

/** Who acts, and by which command. */
export type AuditActor = Pick<
  AuditLine,
  'by' | 'isClaimed' | 'host' | 'command' | 'function' | 'request' | 'reason'
>;

/** Where the trail stands: the last line's number and hash. */
export interface ChainEnd {
  sequence: number;
  hash: string;
}

export const CHAIN_START: ChainEnd = { sequence: 0, hash: '0'.repeat(64) };

export function lineHash(lineText: string): string {
  return createHash('sha256').update(lineText).digest('hex');
}

/** @returns the line's text, without its line feed, and the end of the chain after it */
export function nextLine(
  { sequence, hash }: ChainEnd,
  { by, isClaimed, host, command, function: arn, request, reason: given }: AuditActor,
  fact: AuditFact,
  at: Date,
): { text: string; end: ChainEnd } {
  const reason = wholeReason(fact.reason, given);
  const line = auditLine.parse({
    ...{ sequence: sequence + 1, at: at.toISOString(), by: cut(by) },
    ...(isClaimed && { isClaimed }),
    ...(host !== undefined && { host: cut(host) }),
    command: cut(command),
    ...(arn !== undefined && { function: cut(arn) }),
    ...(request !== undefined && { request: cut(request) }),
    ...fact,
    ...(fact.before && { before: fact.before.slice(0, MAX_SERIALS) }),
    ...(fact.after && { after: fact.after.slice(0, MAX_SERIALS) }),
    ...(reason !== undefined && { reason }),
    previous: hash,
  });
  const lineText = JSON.stringify(line);
  return { text: lineText, end: { sequence: line.sequence, hash: lineHash(lineText) } };
}

/** Why it was due, and what the operator said. @returns undefined: neither is known */
export function wholeReason(due: string | undefined, given: string | undefined): string | undefined {
  const reasons = [...new Set([due, given])].filter((one) => one !== undefined);
  return reasons.length === 0 ? undefined : cut(reasons.join(': '));
}

/** @returns undefined for what is no line of ours */
export function parseLine(lineText: string): AuditLine | undefined {
  try {
    return auditLine.safeParse(JSON.parse(lineText)).data;
  } catch {
    return undefined;
  }
}

function cut(value: string): string {
  return value.slice(0, MAX_AUDIT_TEXT);
}
