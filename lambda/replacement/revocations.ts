/**
 * `issuer/revocation/<certificate>.json`: what an operator wants revoked. Passes publish what takes its place, wait until each living host
 * has proved that, and revoke then: nobody has to be there meanwhile, and a killed pass or command loses nothing.
 */
import * as z from 'zod';
import { inParallel } from '#common/in-parallel.ts';
import { listOf } from '#contract/collection.ts';
import { type DocumentCodes, dateTime, parseDocument, serializeDocument } from '#contract/document.ts';
import { type BucketError, ContractError, isObjectFault } from '#contract/errors.ts';
import {
  type CertificateName,
  certificateName,
  directoryUrl,
  documentName,
  layout,
  sha256Hex,
} from '#contract/layout.ts';
import type { Bucket } from '#storage/bucket.ts';
import { REVOCATION_REASONS, type RevocationReason } from '../acme/revocation.ts';
import type { ReplacementRequest } from './requests.ts';

const CONCURRENCY = 10;
const REASONS = Object.keys(REVOCATION_REASONS) as [RevocationReason, ...RevocationReason[]];
const MAX_PEMS = 100;

const revocationDocument = z.looseObject({
  version: z.literal(1),
  /** By the store's clock: what was published before is replaced. */
  at: dateTime,
  reason: z.enum(REASONS),
  /** Who has said so, and by which command. */
  by: z.string().max(1000),
  /** What is revoked: combined PEMs that hold it, of a pair both. */
  pems: listOf(
    z.looseObject({
      sha256: sha256Hex,
      serial: z.string().regex(/^[0-9A-F]{1,40}$/),
      /** Of the CA that has issued it: what takes its place may come from another one. */
      directoryUrl,
    }),
    MAX_PEMS,
  ),
});

export type RevocationRequest = Pick<z.infer<typeof revocationDocument>, 'at' | 'reason' | 'by' | 'pems'>;

export interface StoredRevocation {
  certificate: CertificateName;
  /** Undefined: it cannot be read. */
  request: RevocationRequest | undefined;
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
  const key = layout.revocation(certificate);
  try {
    const object = await bucket.get(key);
    if (object === undefined) return undefined;
    return { certificate, request: parseDocument(revocationDocument, CODES, key, object.body) };
  } catch (error) {
    if (!(error instanceof ContractError || isObjectFault(error))) throw error;
    return { certificate, request: undefined, fault: error };
  }
}

/** @throws BucketError */
export async function writeRevocation(
  bucket: Bucket,
  certificate: CertificateName,
  request: RevocationRequest,
): Promise<void> {
  await bucket.put(layout.revocation(certificate), serializeDocument({ version: 1, ...request }));
}

/** @throws BucketError */
export async function deleteRevocation(bucket: Bucket, certificate: CertificateName): Promise<void> {
  await bucket.delete(layout.revocation(certificate));
}

export function revokingDigests(revocations: readonly StoredRevocation[]): ReadonlySet<string> {
  return new Set(revocations.flatMap(({ request }) => request?.pems.map(({ sha256 }) => sha256) ?? []));
}

export function serialsOf({ pems }: Pick<RevocationRequest, 'pems'>): string[] {
  return [...new Set(pems.map(({ serial }) => serial))];
}

/** What is to be revoked is to be replaced first, with a fresh key. */
export function replacementOf(request: RevocationRequest): ReplacementRequest {
  return { at: request.at, scope: { serials: serialsOf(request) }, certificates: 1 };
}
