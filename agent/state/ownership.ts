/**
 * Which files of HAProxy's directory are ours, kept a second time beside them, in a dot-file (HAProxy skips those): a state
 * directory that is lost does not turn our files into a stranger's. It holds names, digests and receipts, no keys. Several agents
 * may share a directory: each name is in the record of one fleet, and the others leave its file alone.
 */
import { lstat, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { messageOf } from '#contract/errors.ts';
import { certificateName, type FleetName, fleetName } from '#contract/layout.ts';
import { replaceFile } from '#storage/atomic-file.ts';
import type { Log } from '../log.ts';
import { type TrustRecord, trustRecord } from '../trust/record.ts';
import { ownerOf } from './documents.ts';
import { type EndedPems, endedPems, mergeEnded } from './ended.ts';
import type { AgentState, FileRecord, PemRecord } from './state.ts';

export const OWNERSHIP_FILE = '.pemfleet-files.json';

const VERSION = 1;
/** 10,000 certificates take 9 MB. */
const MAX_BYTES = 64 * 1024 * 1024;

type ClaimedRecord = Pick<FileRecord, 'certificate' | 'written' | 'staples' | 'adopted' | 'receipts'>;

/** Members that this version does not know are kept. */
interface Claim extends ClaimedRecord {
  fleet: FleetName;
  [member: string]: unknown;
}

interface OwnershipDocument {
  version: number;
  files: Record<string, Claim>;
  /** Copies of the trust records, by fleet. */
  trust?: Record<string, unknown>;
  /** What tombstones have ended, by fleet. */
  ended?: Record<string, EndedPems>;
  [member: string]: unknown;
}

export class Ownership {
  readonly certsDir: string;
  readonly #fleet: FleetName;
  readonly #log: Log;
  #document: OwnershipDocument | undefined;
  /** Fleets whose claims are ours: this one, and the one that this agent served before. */
  #fleets: ReadonlySet<FleetName>;
  #trust: TrustRecord | undefined;

  constructor(certsDir: string, fleet: FleetName, log: Log, document: OwnershipDocument | undefined) {
    this.certsDir = certsDir;
    this.#fleet = fleet;
    this.#log = log;
    this.#document = document;
    this.#fleets = new Set([fleet]);
  }

  /** @returns the state with the records of both places, without files that another fleet has claimed */
  recordsWith(state: AgentState): AgentState {
    this.#fleets = new Set([this.#fleet, state.fleet ?? this.#fleet]);
    const files = { ...state.files };
    const before = state.ended;
    const fleets = [...this.#fleets].map((fleet) => this.#document?.ended?.[fleet]);
    const ended = fleets.reduce(mergeEnded, before);
    let isChanged = state.fleet !== this.#fleet || ended !== before;
    for (const [file, claim] of Object.entries(this.#document?.files ?? {})) {
      const record = files[file];
      const merged = this.#fleets.has(claim.fleet) ? merge(record, claim) : undefined;
      if (merged === record) continue;
      isChanged = true;
      if (merged === undefined) delete files[file];
      else files[file] = merged;
    }
    return isChanged ? { ...state, fleet: this.#fleet, files, ...(ended && { ended }) } : state;
  }

  /** @returns the other fleet that has claimed the file */
  otherOwnerOf(file: string): FleetName | undefined {
    const fleet = this.#document?.files[file]?.fleet;
    return fleet === undefined || this.#fleets.has(fleet) ? undefined : fleet;
  }

  /** @returns the copy of this fleet's trust record, or of the only one: the fleet may have had another name */
  trustCopy(): TrustRecord | undefined {
    const copies = Object.entries(this.#document?.trust ?? {});
    const [, copy] =
      copies.find(([fleet]) => fleet === this.#fleet) ?? (copies.length === 1 ? copies : [])[0] ?? [];
    return trustRecord.safeParse(copy).data;
  }

  /** Statements of the issuer about our files (receipt.ts). */
  receipts(): string[] {
    const claims = Object.values(this.#document?.files ?? {});
    return claims.flatMap(({ receipts = [] }) => receipts.flatMap(({ receipt }) => receipt ?? []));
  }

  /** The next save() copies it. */
  keepTrust(trust: TrustRecord | undefined): void {
    this.#trust = trust;
  }

  /**
   * Equal → not written. What fails is logged: the state directory has the same records.
   * @returns whether the records are there
   */
  async save({ files, ended }: AgentState): Promise<boolean> {
    // A later version keeps more there than this one understands.
    if (this.#document !== undefined && this.#document.version !== VERSION) return false;
    const before = this.#document?.files ?? {};
    const after = this.#claimsOf(files, before);
    const trust = this.#trustCopies();
    const endedBefore = this.#document?.ended;
    const isSameEnded = sameJson(ended ?? {}, endedBefore?.[this.#fleet] ?? {});
    if (after === before && isSameEnded && trust === this.#document?.trust) return true;
    const members = {
      ...(trust && { trust }),
      ...(ended && { ended: { ...endedBefore, [this.#fleet]: ended } }),
    };
    const document = { ...this.#document, version: VERSION, ...members, files: after };
    const path = join(this.certsDir, OWNERSHIP_FILE);
    try {
      await replaceFile(path, `${JSON.stringify(document, null, 1)}\n`, {
        mode: 0o600,
        ...(await ownerOf(this.certsDir)),
      });
      this.#document = document;
      return true;
    } catch (error) {
      this.#log('records.failed', { file: path, message: messageOf(error) });
      return false;
    }
  }

  /** @returns those of the document where nothing differs but when keys.json was read */
  #trustCopies(): OwnershipDocument['trust'] {
    const before = this.#document?.trust;
    const [known, next] = [this.trustCopy(), this.#trust].map((one) => one && trustDigest(one));
    if (this.#trust === undefined || (known === next && before?.[this.#fleet] !== undefined)) return before;
    return { ...before, [this.#fleet]: this.#trust };
  }

  /** @returns `before` itself where nothing differs */
  #claimsOf(files: AgentState['files'], before: Record<string, Claim>): Record<string, Claim> {
    const isOurs = ([, { fleet }]: [string, Claim]) => this.#fleets.has(fleet);
    const others = Object.entries(before).filter((entry) => !isOurs(entry));
    const ours = Object.entries(files).map(
      ([file, record]) => [file, this.#claimOf(before[file], record)] as const,
    );
    const after = Object.fromEntries([...others, ...ours].sort(([a], [b]) => (a < b ? -1 : 1)));
    const isEqual = Object.keys(after).length === Object.keys(before).length;
    return isEqual && Object.entries(after).every(([file, claim]) => claim === before[file]) ? before : after;
  }

  #claimOf(before: Claim | undefined, record: FileRecord): Claim {
    const { certificate, written, staples, adopted, receipts } = record;
    const fleet = this.#fleet;
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
}

/** Floors count: without the state directory, an older manifest would be taken again. */
function trustDigest({ trusted, isConfirmed, formerKeys, floors }: TrustRecord): string {
  const { lineage, key, number, recoveryKey, recoveredAt } = trusted;
  return JSON.stringify([lineage, key, number, recoveryKey, recoveredAt, isConfirmed, formerKeys, floors]);
}

const sameJson = (a: unknown, b: unknown) => a === b || JSON.stringify(a) === JSON.stringify(b);

function sameReceipts(a: readonly PemRecord[] = [], b: readonly PemRecord[] = []): boolean {
  const isSame = (one: PemRecord, other: PemRecord | undefined) =>
    one.sha256 === other?.sha256 && one.sequence === other.sequence && one.receipt === other.receipt;
  return a.length === b.length && a.every((one, index) => isSame(one, b[index]));
}

/** A file that is broken, unreadable or something else than a file counts as absent; that is logged. */
export async function readOwnership(certsDir: string, fleet: FleetName, log: Log): Promise<Ownership> {
  const path = join(certsDir, OWNERSHIP_FILE);
  const document = await readDocumentAt(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') log('state.reset', { file: path, message: messageOf(error) });
    return undefined;
  });
  return new Ownership(certsDir, fleet, log, document);
}

async function readDocumentAt(path: string): Promise<OwnershipDocument> {
  const stats = await lstat(path);
  if (!stats.isFile() || stats.size > MAX_BYTES) throw new TypeError('wanted a file of ours');
  const document = JSON.parse(await readFile(path, 'utf8')) as OwnershipDocument;
  if (!Number.isInteger(document?.version)) throw new TypeError('wanted a version');
  if (document.version !== VERSION) return { ...document, files: {} };
  // By hand: a schema would take longer than the rest of a pass over 10,000 files in which nothing has changed.
  if (document.trust !== undefined && !isRecord(document.trust)) delete document.trust;
  if (!isRecord(document.files) || !Object.values(document.files).every(isClaim)) {
    throw new TypeError('wanted files, each with fleet, certificate and digests');
  }
  // What nobody can read ends nothing; the tombstones of the next manifest say it again.
  const isReadable = ended.safeParse(document.ended).success;
  return isReadable ? document : { ...document, ended: {} };
}

const ended = z.record(fleetName, endedPems).optional();

const isDigest = (value: unknown) => typeof value === 'string' && /^[0-9a-f]{64}$/.test(value);

const isRecord = (value: unknown): value is Record<string, unknown> =>
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
function merge(record: FileRecord | undefined, claim: Claim): FileRecord {
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
