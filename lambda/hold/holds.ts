/**
 * `issuer/hold/`: what an operator holds, one document for each hold. The key says what is held, so that a document that cannot be read
 * holds all the same: only its end and its reason are unknown then.
 */
import * as z from 'zod';
import { inParallel } from '#common/in-parallel.ts';
import { type DocumentCodes, dateTime, parseDocument, serializeDocument } from '#contract/document.ts';
import { type BucketError, ContractError, isObjectFault } from '#contract/errors.ts';
import {
  type CertificateName,
  certificateName,
  type FleetName,
  fleetName,
  layout,
} from '#contract/layout.ts';
import type { Bucket, PutCondition } from '#storage/bucket.ts';

/** Characters of a reason, and of a name. */
export const MAX_HOLD_TEXT = 500;
const CONCURRENCY = 10;

const text = z.string().max(MAX_HOLD_TEXT);

const holdDocument = z.looseObject({
  version: z.literal(1),
  /** By the store's clock. */
  at: dateTime,
  /** It counts no more from then on; absent: until it is resumed. */
  until: dateTime.optional(),
  reason: text,
  /** The user of a machine: its own word. */
  by: text,
  /** An operator has ended it, by the store's clock: there is no hold. */
  resumedAt: dateTime.optional(),
});

/** What an operator says. */
export type HoldWord = Pick<z.infer<typeof holdDocument>, 'at' | 'until' | 'reason' | 'by'>;

/** A certificate is not renewed; to a fleet nothing new is published. */
export type HoldSubject = { certificate: CertificateName } | { fleet: FleetName };

export interface StoredHold {
  subject: HoldSubject;
  /** Undefined: its document cannot be read. */
  word: HoldWord | undefined;
  fault?: ContractError | BucketError | undefined;
}

/** Of one document, which may be ended or missing. */
interface ReadHold extends StoredHold {
  isHeld: boolean;
  /** Under which it is replaced. Undefined: the store shows it and does not give it. */
  condition?: PutCondition | undefined;
}

const CODES: DocumentCodes = { schema: 'ERR_HOLD', version: 'ERR_HOLD' };

/** @throws BucketError where they cannot be listed, or the store is out of reach */
export async function readHolds(bucket: Bucket): Promise<StoredHold[]> {
  const subjects = (await bucket.list(layout.holds)).flatMap((key) => subjectOf(key) ?? []);
  const read = await inParallel(subjects, CONCURRENCY, (subject) => readOne(bucket, subject), holdKey);
  return read.filter(({ isHeld }) => isHeld);
}

/** @returns undefined: there is none. @throws BucketError where the store is out of reach */
export async function readHold(bucket: Bucket, subject: HoldSubject): Promise<ReadHold | undefined> {
  const read = await readOne(bucket, subject);
  return read.isHeld ? read : undefined;
}

/** In the place of the one that is there. @throws BucketError */
export async function writeHold(bucket: Bucket, subject: HoldSubject, word: HoldWord): Promise<void> {
  await bucket.put(holdKey(subject), serializeDocument({ version: 1, ...word }));
}

/**
 * The document stays: no store deletes on a condition, and a hold that somebody else has written since it was read would be lost. Former
 * issuers take its `until` for its end.
 * @param at by the store's clock. @returns false: another one has been written since, and counts. @throws BucketError
 */
export async function endHold(bucket: Bucket, held: ReadHold, at: Date): Promise<boolean> {
  const resumedAt = at.toISOString();
  const word = held.word ?? { at: resumedAt, reason: 'could not be read', by: '' };
  const document = serializeDocument({ version: 1, ...word, until: resumedAt, resumedAt });
  return (await bucket.put(holdKey(held.subject), document, held.condition)) !== 'precondition-failed';
}

/** `a.test`, `fleet edge`. */
export function holdText(subject: HoldSubject): string {
  return 'fleet' in subject ? `fleet ${subject.fleet}` : subject.certificate;
}

function holdKey(subject: HoldSubject): string {
  return 'fleet' in subject ? layout.fleetHold(subject.fleet) : layout.certificateHold(subject.certificate);
}

/** @returns undefined for what is no hold of ours */
function subjectOf(key: string): HoldSubject | undefined {
  const [, kind = '', name = ''] = /^issuer\/hold\/(certificate|fleet)\/([^/]+)\.json$/.exec(key) ?? [];
  if (kind === 'fleet') {
    const { data } = fleetName.safeParse(name);
    return data && { fleet: data };
  }
  const { data } = certificateName.safeParse(name);
  return data && { certificate: data };
}

async function readOne(bucket: Bucket, subject: HoldSubject): Promise<ReadHold> {
  const key = holdKey(subject);
  let condition: PutCondition | undefined;
  try {
    const object = await bucket.get(key);
    if (object === undefined) return { subject, word: undefined, isHeld: false };
    condition = { ifMatch: object.etag };
    const { at, until, reason, by, resumedAt } = parseDocument(holdDocument, CODES, key, object.body);
    const isHeld = resumedAt === undefined;
    return { subject, word: { at, reason, by, ...(until && { until }) }, isHeld, condition };
  } catch (error) {
    if (error instanceof ContractError || isObjectFault(error))
      return { subject, word: undefined, fault: error, isHeld: true, condition };
    throw error;
  }
}
