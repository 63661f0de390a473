/** Claims: whose the files of HAProxy's directory are, as it stands beside them. */
import { certificateName, type FleetName, fleetName } from '#contract/layout.ts';
import type { FileRecord, PemRecord } from './file-record.ts';

type ClaimedRecord = Pick<FileRecord, 'certificate' | 'written' | 'staples' | 'adopted' | 'receipts'>;

/** Members that this version does not know are kept. */
export interface Claim extends ClaimedRecord {
  fleet: FleetName;
  [member: string]: unknown;
}

export type Claims = ReadonlyMap<string, Claim>;

/** @returns `before` itself where nothing differs */
export function claimOf(before: Claim | undefined, record: FileRecord, fleet: FleetName): Claim {
  const { certificate, written, staples, adopted, receipts } = record;
  const isEqual =
    before?.fleet === fleet &&
    before.certificate === certificate &&
    before.adopted === adopted &&
    before.written.join() === written.join() &&
    before.staples?.join() === staples?.join() &&
    sameReceipts(before.receipts, receipts);
  if (isEqual) return before;
  const { adopted: _, receipts: __, ...others } = before ?? {};
  return {
    ...others,
    fleet,
    certificate,
    written,
    ...(staples && { staples }),
    ...(adopted && { adopted }),
    ...(receipts && { receipts }),
  };
}

/** By hand: a schema would take longer than the rest of a pass over 10,000 files in which nothing has changed. */
export function checkClaims(files: unknown): Record<string, Claim> {
  if (!isRecord(files) || !Object.values(files).every(isClaim)) {
    throw new TypeError('wanted files, each with fleet, certificate and digests');
  }
  return files as Record<string, Claim>;
}

const isDigest = (value: unknown) => typeof value === 'string' && /^[0-9a-f]{64}$/.test(value);

export const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function isClaim(value: unknown): boolean {
  if (!isRecord(value)) return false;
  const { fleet, certificate, written, staples = [], adopted, receipts = [] } = value;
  if (!fleetName.safeParse(fleet).success || !certificateName.safeParse(certificate).success) return false;
  const areDigests = [written, staples].every((list) => Array.isArray(list) && list.every(isDigest));
  const areReceipts = Array.isArray(receipts) && receipts.every(isPemRecord);
  return areDigests && areReceipts && (adopted === undefined || isDigest(adopted));
}

function isPemRecord(value: unknown): boolean {
  if (!isRecord(value)) return false;
  const { sha256, sequence, receipt } = value;
  return (
    isDigest(sha256) && Number.isSafeInteger(sequence) && ['string', 'undefined'].includes(typeof receipt)
  );
}

/** The newest digest first. */
export function mergeClaim(record: FileRecord | undefined, claim: Claim): FileRecord {
  const { certificate, written, staples = [], adopted, receipts = [] } = claim;
  const ofReceipts = receipts.length > 0 && { receipts };
  const ofStaples = staples.length > 0 && { staples };
  if (record === undefined) {
    return { certificate, written, ...ofStaples, ...(adopted && { adopted }), ...ofReceipts };
  }
  const missing = written.filter((digest) => !record.written.includes(digest));
  const missingStaples = staples.filter((digest) => !record.staples?.includes(digest));
  const known = record.receipts ?? [];
  const missingReceipts = receipts.filter(({ sha256 }) => !known.some((one) => one.sha256 === sha256));
  if (missing.length + missingStaples.length + missingReceipts.length === 0) return record;
  const both = [...(record.staples ?? []), ...missingStaples];
  const all = [...known, ...missingReceipts];
  return {
    ...record,
    written: [...record.written, ...missing],
    ...(both.length > 0 && { staples: both }),
    ...(all.length > 0 && { receipts: all }),
  };
}

function sameReceipts(a: readonly PemRecord[] = [], b: readonly PemRecord[] = []): boolean {
  const isSame = (one: PemRecord, other: PemRecord | undefined) =>
    one.sha256 === other?.sha256 && one.sequence === other.sequence && one.receipt === other.receipt;
  return a.length === b.length && a.every((one, index) => isSame(one, b[index]));
}
