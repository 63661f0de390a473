/**
 * `issuer/revocation/<certificate>.json`: what an operator wants revoked. Passes publish what takes its place, wait until each living host
 * has proved that, and revoke then: nobody has to be there meanwhile, and a killed pass or command loses nothing.
 */
import * as z from 'zod';
import { inParallel } from '#common/in-parallel.ts';
import { listOf } from '#contract/collection.ts';
import { type DocumentCodes, dateTime, parseDocument, serializeDocument } from '#contract/document.ts';
import { BucketError, ContractError, isObjectFault } from '#contract/errors.ts';
import {
  type CertificateName,
  certificateName,
  directoryUrl,
  documentName,
  layout,
  sha256Hex,
} from '#contract/layout.ts';
import type { Bucket, PutCondition } from '#storage/bucket.ts';
import { REVOCATION_WORDS, type RevocationReason } from '../acme/revocation.ts';
import type { ReplacementRequest } from './requests.ts';

const CONCURRENCY = 10;
const MAX_PEMS = 100;
const MAX_TRIES = 20;

const revokingPem = z.looseObject({
  sha256: sha256Hex,
  serial: z.string().regex(/^[0-9A-F]{1,40}$/),
  /** Of the CA that has issued it: what takes its place may come from another one. */
  directoryUrl,
  /** Of this one, where it was asked for otherwise than the last one. */
  at: dateTime.optional(),
  reason: z.enum(REVOCATION_WORDS).optional(),
  by: z.string().max(1000).optional(),
});

const revocationDocument = z.looseObject({
  version: z.literal(1),
  /** Of the last ask, by the store's clock: what was published before is replaced. */
  at: dateTime,
  reason: z.enum(REVOCATION_WORDS),
  /** Who has said so, and by which command. */
  by: z.string().max(1000),
  /** What is revoked: combined PEMs that hold it, of a pair both. */
  pems: listOf(revokingPem, MAX_PEMS),
  /** Asked for, and taken back: what has come in their place since is not what the same words mean. */
  cancelled: listOf(revokingPem, MAX_PEMS).optional(),
  /** When a request was taken back that nobody could read. */
  lostAt: dateTime.optional(),
});

export interface RevokingPem {
  sha256: string;
  serial: string;
  directoryUrl: string;
  at: string;
  reason: RevocationReason;
  by: string;
}

/** What is to be revoked for one reason. */
export interface RevocationRequest extends Pick<RevokingPem, 'reason' | 'by'> {
  /** When the first of it was asked for. */
  at: string;
  pems: readonly RevokingPem[];
}

export interface StoredRevocation {
  certificate: CertificateName;
  /** One for each reason; undefined: they cannot be read. */
  requests: readonly RevocationRequest[] | undefined;
  fault?: ContractError | BucketError | undefined;
}

const CODES: DocumentCodes = { schema: 'ERR_REVOCATION_REQUEST', version: 'ERR_REVOCATION_REQUEST' };

/** @throws BucketError where they cannot be listed, or the store is out of reach */
export async function readRevocations(bucket: Bucket): Promise<StoredRevocation[]> {
  const names = (await bucket.list(layout.revocations)).flatMap(
    (key) => certificateName.safeParse(documentName(layout.revocations, key)).data ?? [],
  );
  const read = await inParallel(names, CONCURRENCY, (name) => readRevocation(bucket, name), String);
  return read.filter((one) => one !== undefined);
}

/** @returns undefined: none is asked for. @throws BucketError where the store is out of reach */
export async function readRevocation(
  bucket: Bucket,
  certificate: CertificateName,
): Promise<StoredRevocation | undefined> {
  const { pems, fault } = await read(bucket, certificate);
  if (fault !== undefined) return { certificate, requests: undefined, fault };
  return pems.length === 0 ? undefined : { certificate, requests: byReason(pems) };
}

interface Requested {
  pems: readonly RevokingPem[];
  cancelled: readonly RevokingPem[];
  lostAt?: string | undefined;
}

interface ReadRequested extends Requested {
  /** Under which it is replaced. Undefined: the store shows it and does not give it, so that nothing of it can be lost. */
  condition: PutCondition | undefined;
  /** It is there, and cannot be read: it asks for nothing. */
  fault?: ContractError | BucketError | undefined;
}

const NOTHING: Requested = { pems: [], cancelled: [] };

/** @throws BucketError where the store is out of reach */
async function read(bucket: Bucket, certificate: CertificateName): Promise<ReadRequested> {
  const key = layout.revocation(certificate);
  let condition: PutCondition | undefined;
  try {
    const object = await bucket.get(key);
    if (object === undefined) return { ...NOTHING, condition: { ifNoneMatch: '*' } };
    condition = { ifMatch: object.etag };
    return { ...requestedIn(key, object.body), condition };
  } catch (error) {
    if (!(error instanceof ContractError || isObjectFault(error))) throw error;
    return { ...NOTHING, condition, fault: error };
  }
}

/** @throws ContractError */
function requestedIn(key: string, body: Buffer): Requested {
  const { at, reason, by, pems, cancelled, lostAt } = parseDocument(revocationDocument, CODES, key, body);
  const whole = (pem: (typeof pems)[number]) => ({
    ...{ sha256: pem.sha256, serial: pem.serial, directoryUrl: pem.directoryUrl },
    ...{ at: pem.at ?? at, reason: pem.reason ?? reason, by: pem.by ?? by },
  });
  return { pems: pems.map(whole), cancelled: (cancelled ?? []).map(whole), lostAt };
}

function byReason(pems: readonly RevokingPem[]): RevocationRequest[] {
  const oldestFirst = [...pems].sort((a, b) => a.at.localeCompare(b.at));
  const reasons = new Map<RevocationReason, RevokingPem[]>();
  for (const pem of oldestFirst) reasons.set(pem.reason, [...(reasons.get(pem.reason) ?? []), pem]);
  return [...reasons].flatMap(([reason, some]) => {
    const [first] = some;
    return first === undefined ? [] : [{ at: first.at, reason, by: first.by, pems: some }];
  });
}

/**
 * Asks for these, too. Each keeps the reason that it was asked for with first, if that is the same or `keyCompromise`. What cannot be read is lost already, and replaced.
 * @throws BucketError
 */
export async function addToRevocation(
  bucket: Bucket,
  certificate: CertificateName,
  pems: readonly RevokingPem[],
): Promise<void> {
  await change(bucket, certificate, (before) => {
    const known = new Map(before.pems.map((pem) => [pem.sha256, pem]));
    for (const pem of pems) {
      const reason = known.get(pem.sha256)?.reason;
      if (strongerReason(reason, pem.reason) !== reason) known.set(pem.sha256, pem);
    }
    return { pems: [...known.values()], cancelled: before.cancelled.filter((pem) => !known.has(pem.sha256)) };
  });
}

/**
 * What is revoked for this reason; all else that was asked for stays, also meanwhile: of a key that is stolen more is to be done.
 * @throws ContractError, BucketError
 */
export async function takeOutOfRevocation(
  bucket: Bucket,
  certificate: CertificateName,
  sha256s: ReadonlySet<string>,
  reason: RevocationReason,
): Promise<void> {
  const isDone = (pem: RevokingPem) => strongerReason(pem.reason, reason) === reason;
  await change(bucket, certificate, ({ pems, fault, cancelled, lostAt }) => {
    if (fault !== undefined) throw fault;
    return { cancelled, lostAt, pems: pems.filter((pem) => !(sha256s.has(pem.sha256) && isDone(pem))) };
  });
}

/** No later word makes a stolen key a sound one. @returns the one that counts */
export function strongerReason(
  waiting: RevocationReason | undefined,
  said: RevocationReason,
): RevocationReason {
  return waiting === 'keyCompromise' ? waiting : said;
}

/**
 * As it is at the moment of writing. The document stays when it asks for nothing any more: no store deletes on a condition, and whoever asks
 * for something at that moment would ask in vain.
 * @throws ContractError, BucketError
 */
async function change(
  bucket: Bucket,
  certificate: CertificateName,
  changed: (before: ReadRequested) => Requested,
): Promise<void> {
  const key = layout.revocation(certificate);
  for (let attempt = 0; attempt < MAX_TRIES; attempt += 1) {
    const before = await read(bucket, certificate);
    const { pems, cancelled, lostAt } = changed(before);
    const all = [...pems, ...cancelled, ...before.pems, ...before.cancelled];
    const lost = lostAt === undefined ? undefined : { at: lostAt, reason: 'unspecified', by: '' };
    const last = all.sort((a, b) => a.at.localeCompare(b.at)).at(-1) ?? lost;
    if (last === undefined) return;
    const { at, reason, by } = last;
    const taken = { ...(cancelled.length > 0 && { cancelled }), ...(lost && { lostAt }) };
    const document = serializeDocument({ version: 1, at, reason, by, pems, ...taken });
    if ((await bucket.put(key, document, before.condition)) !== 'precondition-failed') return;
  }
  throw new BucketError('ERR_BUCKET_CONFLICT', key, `other writers were faster ${MAX_TRIES} times`);
}

/**
 * Takes back all that is asked for, also what cannot be read, and keeps in mind what it was.
 * @param at by the store's clock. @throws BucketError
 */
export async function cancelRevocation(
  bucket: Bucket,
  certificate: CertificateName,
  at: Date,
): Promise<void> {
  await change(bucket, certificate, ({ pems, cancelled, lostAt, fault }) => {
    const digests = new Set(pems.map(({ sha256 }) => sha256));
    const taken = [...pems, ...cancelled.filter(({ sha256 }) => !digests.has(sha256))].slice(0, MAX_PEMS);
    return { pems: [], cancelled: taken, lostAt: fault === undefined ? lostAt : at.toISOString() };
  });
}

/** What was asked for and taken back. @throws ContractError, BucketError */
export async function readCancelled(
  bucket: Bucket,
  certificate: CertificateName,
): Promise<Pick<Requested, 'cancelled' | 'lostAt'>> {
  const { fault, ...requested } = await read(bucket, certificate);
  if (fault !== undefined) throw fault;
  return requested;
}

export function revokingPems(stored: Pick<StoredRevocation, 'requests'> | undefined): readonly RevokingPem[] {
  return stored?.requests?.flatMap(({ pems }) => pems) ?? [];
}

export function revokingDigests(revocations: readonly StoredRevocation[]): ReadonlySet<string> {
  return new Set(revocations.flatMap(revokingPems).map(({ sha256 }) => sha256));
}

export function serialsOf({ pems }: { pems: readonly Pick<RevokingPem, 'serial'>[] }): string[] {
  return [...new Set(pems.map(({ serial }) => serial))];
}

/** What is to be revoked is to be replaced first, with a fresh key: what was in force when the last of it was asked for. */
export function replacementOf({ pems }: RevocationRequest): ReplacementRequest {
  const at =
    pems
      .map((pem) => pem.at)
      .sort()
      .at(-1) ?? '';
  return { at, scope: { serials: serialsOf({ pems }) }, certificates: 1 };
}
