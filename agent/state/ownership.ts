/**
 * Which files of HAProxy's directory are ours, kept a second time beside them, in a dot-file (HAProxy skips those): a state
 * directory that is lost does not turn our files into a stranger's. It holds names and digests, no keys. Several agents
 * may share a directory: each name is in the record of one fleet, and the others leave its file alone.
 */
import { lstat, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '#contract/errors.ts';
import { certificateName, type FleetName, fleetName } from '#contract/layout.ts';
import { replaceFile } from '#storage/atomic-file.ts';
import type { Log } from '../log.ts';
import { type TrustRecord, trustRecord } from '../trust/record.ts';
import { ownerOf } from './documents.ts';
import type { AgentState, FileRecord } from './state.ts';

export const OWNERSHIP_FILE = '.pemfleet-files.json';

const VERSION = 1;
/** 10,000 certificates take 3 MB. */
const MAX_BYTES = 64 * 1024 * 1024;

/** Members that this version does not know are kept: a later one may add receipts. */
interface Claim extends Pick<FileRecord, 'certificate' | 'written' | 'staples' | 'adopted'> {
  fleet: FleetName;
  [member: string]: unknown;
}

interface OwnershipDocument {
  version: number;
  files: Record<string, Claim>;
  /** Copies of the trust records, by fleet. */
  trust?: Record<string, unknown>;
  [member: string]: unknown;
}

export class Ownership {
  readonly #certsDir: string;
  readonly #fleet: FleetName;
  readonly #log: Log;
  #document: OwnershipDocument | undefined;
  /** Fleets whose claims are ours: this one, and the one that this agent served before. */
  #fleets: ReadonlySet<FleetName>;
  #trust: TrustRecord | undefined;

  constructor(certsDir: string, fleet: FleetName, log: Log, document: OwnershipDocument | undefined) {
    this.#certsDir = certsDir;
    this.#fleet = fleet;
    this.#log = log;
    this.#document = document;
    this.#fleets = new Set([fleet]);
  }

  /** @returns the state with the records of both places, without files that another fleet has claimed */
  recordsWith(state: AgentState): AgentState {
    this.#fleets = new Set([this.#fleet, state.fleet ?? this.#fleet]);
    const files = { ...state.files };
    let isChanged = state.fleet !== this.#fleet;
    for (const [file, claim] of Object.entries(this.#document?.files ?? {})) {
      const record = files[file];
      const merged = this.#fleets.has(claim.fleet) ? merge(record, claim) : undefined;
      if (merged === record) continue;
      isChanged = true;
      if (merged === undefined) delete files[file];
      else files[file] = merged;
    }
    return isChanged ? { ...state, fleet: this.#fleet, files } : state;
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
    return claims.flatMap(({ receipt }) => (typeof receipt === 'string' ? [receipt] : []));
  }

  /** The next save() copies it. */
  keepTrust(trust: TrustRecord | undefined): void {
    this.#trust = trust;
  }

  /**
   * Equal → not written. What fails is logged: the state directory has the same records.
   * @returns whether the records are there
   */
  async save({ files }: AgentState): Promise<boolean> {
    // A later version keeps more there than this one understands.
    if (this.#document !== undefined && this.#document.version !== VERSION) return false;
    const before = this.#document?.files ?? {};
    const after = this.#claimsOf(files, before);
    const trust = this.#trustCopies();
    if (after === before && trust === this.#document?.trust) return true;
    const document = { ...this.#document, version: VERSION, ...(trust && { trust }), files: after };
    const path = join(this.#certsDir, OWNERSHIP_FILE);
    try {
      await replaceFile(path, `${JSON.stringify(document, null, 1)}\n`, {
        mode: 0o600,
        ...(await ownerOf(this.#certsDir)),
      });
      this.#document = document;
      return true;
    } catch (error) {
      this.#log('records.failed', { file: path, message: messageOf(error) });
      return false;
    }
  }

  /** @returns those of the document where nothing but the sequences differs: they change with each manifest */
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

  #claimOf(before: Claim | undefined, { certificate, written, staples, adopted }: FileRecord): Claim {
    const fleet = this.#fleet;
    const isEqual =
      before?.fleet === fleet &&
      before.certificate === certificate &&
      before.adopted === adopted &&
      before.written.join() === written.join() &&
      before.staples?.join() === staples?.join();
    if (isEqual) return before;
    const { adopted: _, ...others } = before ?? {};
    return {
      ...others,
      fleet,
      certificate,
      written,
      ...(staples && { staples }),
      ...(adopted && { adopted }),
    };
  }
}

function trustDigest({ trusted, isConfirmed, formerKeys }: TrustRecord): string {
  const { lineage, key, number, recoveryKey, recoveredAt } = trusted;
  return JSON.stringify([lineage, key, number, recoveryKey, recoveredAt, isConfirmed, formerKeys]);
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
  return document;
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function isClaim(value: unknown): boolean {
  if (!isRecord(value)) return false;
  const { fleet, certificate, written, staples = [], adopted } = value;
  if (!fleetName.safeParse(fleet).success || !certificateName.safeParse(certificate).success) return false;
  const isDigest = (digest: unknown) => typeof digest === 'string' && /^[0-9a-f]{64}$/.test(digest);
  const areDigests = [written, staples].every((list) => Array.isArray(list) && list.every(isDigest));
  return areDigests && (adopted === undefined || isDigest(adopted));
}

/** The newest digest first. */
function merge(record: FileRecord | undefined, claim: Claim): FileRecord {
  const { certificate, written, staples = [], adopted } = claim;
  const ofStaples = staples.length > 0 && { staples };
  if (record === undefined) return { certificate, written, ...ofStaples, ...(adopted && { adopted }) };
  const missing = written.filter((digest) => !record.written.includes(digest));
  const missingStaples = staples.filter((digest) => !record.staples?.includes(digest));
  if (missing.length + missingStaples.length === 0) return record;
  const both = [...(record.staples ?? []), ...missingStaples];
  return { ...record, written: [...record.written, ...missing], ...(both.length > 0 && { staples: both }) };
}
