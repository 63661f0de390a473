/**
 * Which files of HAProxy's directory are ours, kept a second time beside them, in a dot-file (HAProxy skips those): a state
 * directory that is lost does not turn our files into a stranger's. It holds names, digests and receipts, no keys. Several agents
 * may share a directory: each name is in the record of one fleet, and the others leave its file alone.
 */
import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { codeOf, messageOf } from '#contract/errors.ts';
import { type FleetName, fleetName } from '#contract/layout.ts';
import { readRegularFile, replaceFile } from '#storage/atomic-file.ts';
import { HostError } from '../errors.ts';
import { ioProblem } from '../io-problem.ts';
import type { Log } from '../log.ts';
import { type TrustRecord, trustRecord } from '../trust/record.ts';
import { type Claim, type Claims, checkClaims, claimOf, isRecord, mergeClaim } from './claims.ts';
import { ownerOf, writeInFolder } from './documents.ts';
import { type EndedPems, endedPems, mergeEnded } from './ended.ts';
import type { FileRecord, FileRecords } from './file-record.ts';
import {
  forgetShardFiles,
  readShardFiles,
  removeShardFiles,
  type ShardFolder,
  wantsShardFiles,
  writeShardFiles,
} from './shard-files.ts';
import { ShardedMap, shardOf, toRecord } from './sharded-map.ts';
import type { AgentState } from './state.ts';

export const OWNERSHIP_FILE = '.pemfleet-files.json';

/** Where they are many, the claims are in shards there; HAProxy skips it. */
export const OWNERSHIP_FOLDER = '.pemfleet-files';

/** Versions of the document: with the claims, or with shards beside it. An agent that does not know the second begins anew. */
const [INLINE, SHARDED] = [1, 2];
/** 10,000 certificates take 9 MB. */
const MAX_BYTES = 64 * 1024 * 1024;

/** Of the agent that reads it. */
export interface OwnershipPlace {
  certsDir: string;
  stateDir: string;
  fleet: FleetName;
  /** In containers that share the directory, the same path is another state directory. */
  host?: string;
}

/** Who an agent is, also when its state directory is lost and its fleet has another name. */
interface AgentIdentity {
  stateDir: string;
  /** Absent: written by a former version. */
  host?: string | undefined;
}

/** But the claims. */
interface OwnershipDocument {
  version: number;
  /** Copies of the trust records, by fleet. */
  trust?: Record<string, unknown>;
  /** What tombstones have ended, by fleet. */
  ended?: Record<string, EndedPems>;
  /** Whose claims are whose, by fleet. */
  agents?: Record<string, AgentIdentity>;
  [member: string]: unknown;
}

/** What is read of the directory. */
interface StoredClaims {
  document: OwnershipDocument | undefined;
  claims: ShardedMap<Claim>;
  unreadable: HostError | undefined;
}

/** By our records, or a shard of them: the claims that save() has made of it, in which the records have nothing to learn. */
const claimed = new WeakMap<FileRecords, { claims: Claims; fleet: FleetName }>();

export class Ownership {
  readonly certsDir: string;
  readonly #fleet: FleetName;
  readonly #identity: AgentIdentity;
  readonly #log: Log;
  #document: OwnershipDocument | undefined;
  #claims: ShardedMap<Claim>;
  /** Fleets whose claims are ours: this one, and the one that this agent served before. */
  #fleets: ReadonlySet<FleetName>;
  #trust: TrustRecord | undefined;
  /** There is a document, and it could be read. */
  readonly isKnown: boolean;
  /** Why it, or a part of it, cannot be read though it is there: nothing is written over it. */
  readonly unreadable: HostError | undefined;

  constructor({ certsDir, fleet, stateDir, host }: OwnershipPlace, log: Log, stored: StoredClaims) {
    this.isKnown = stored.document !== undefined;
    this.unreadable = stored.unreadable;
    this.certsDir = certsDir;
    this.#fleet = fleet;
    this.#identity = { stateDir, ...(host !== undefined && { host }) };
    this.#log = log;
    this.#document = stored.document;
    this.#claims = stored.claims;
    this.#fleets = this.#fleetsWith(fleet);
  }

  /** @returns the state with the records of both places, without files that another fleet has claimed */
  recordsWith(state: AgentState): AgentState {
    this.#fleets = this.#fleetsWith(state.fleet ?? this.#fleet);
    const before = state.ended;
    const fleets = [...this.#fleets].map((fleet) => this.#document?.ended?.[fleet]);
    const ended = fleets.reduce(mergeEnded, before);
    const files = this.#withClaims(state.files);
    const isSame = state.fleet === this.#fleet && ended === before && files === state.files;
    return isSame ? state : { ...state, fleet: this.#fleet, files, ...(ended && { ended }) };
  }

  #withClaims(files: AgentState['files']): AgentState['files'] {
    if (this.#areClaimed(files, this.#claims)) return files;
    const changes: [string, FileRecord | undefined][] = [];
    for (const [index, records] of files.shards.entries()) {
      const claims = this.#claims.shards[index] ?? new Map();
      if (this.#areClaimed(records, claims)) continue;
      for (const [file, claim] of claims) {
        const isOurs = this.#fleets.has(claim.fleet);
        changes.push([file, isOurs ? mergeClaim(records.get(file), claim) : undefined]);
      }
    }
    return files.with(changes);
  }

  /** And those whose claims this agent has made before. */
  #fleetsWith(before: FleetName): ReadonlySet<FleetName> {
    const agents = Object.entries(this.#document?.agents ?? {});
    const own = agents.filter(([, one]) => isSameAgent(one, this.#identity));
    return new Set([this.#fleet, before, ...own.map(([fleet]) => fleet as FleetName)]);
  }

  #areClaimed(records: FileRecords, claims: Claims): boolean {
    const known = claimed.get(records);
    return this.#fleets.size === 1 && known?.fleet === this.#fleet && known.claims === claims;
  }

  /** @returns the other fleet that has claimed the file */
  otherOwnerOf(file: string): FleetName | undefined {
    const fleet = this.#claims.get(file)?.fleet;
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
    const all = [...this.#claims.values()];
    return all.flatMap(({ receipts = [] }) => receipts.flatMap(({ receipt }) => receipt ?? []));
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
    if (this.unreadable || (this.#document !== undefined && !isKnownVersion(this.#document))) return false;
    const claims = this.#claimsOf(files);
    const trust = this.#trustCopies();
    const endedBefore = this.#document?.ended;
    const isSameEnded = sameJson(ended ?? {}, endedBefore?.[this.#fleet] ?? {});
    const agents = this.#agents();
    const isSame = isSameEnded && trust === this.#document?.trust && agents === this.#document?.agents;
    if (isSame && claims === this.#claims) return true;
    const members = {
      agents,
      ...(trust && { trust }),
      ...(ended && { ended: { ...endedBefore, [this.#fleet]: ended } }),
    };
    try {
      await this.#write({ ...this.#document, ...members, version: INLINE }, claims, isSame);
      return true;
    } catch (error) {
      const file = join(this.certsDir, OWNERSHIP_FILE);
      this.#log('records.failed', { file, message: messageOf(error) });
      return false;
    }
  }

  /** @param isSame all but the claims is as before */
  async #write(document: OwnershipDocument, claims: ShardedMap<Claim>, isSame: boolean): Promise<void> {
    const isSharded = this.#document?.version === SHARDED;
    const folder = folderIn(this.certsDir, this.#log);
    if (wantsShardFiles(claims.size, isSharded)) {
      const root = { ...document, version: SHARDED };
      await writeShardFiles(folder, claims.shards);
      if (!isSame || !isSharded) await this.#replace(root);
      this.#document = root;
    } else {
      await this.#replace({ ...document, files: toRecord(claims) });
      // A kill before it leaves shards that nobody reads.
      if (isSharded) await removeShardFiles(folder);
      this.#document = document;
    }
    this.#claims = claims;
  }

  async #replace(document: OwnershipDocument): Promise<void> {
    const path = join(this.certsDir, OWNERSHIP_FILE);
    await replaceFile(path, `${JSON.stringify(document, null, 1)}\n`, {
      mode: 0o600,
      ...(await ownerOf(this.certsDir)),
    });
  }

  /** @returns those of the document where nothing differs */
  #agents(): NonNullable<OwnershipDocument['agents']> {
    const before = this.#document?.agents;
    const isOwn = ([fleet, one]: [string, AgentIdentity]) =>
      this.#fleets.has(fleet as FleetName) || isSameAgent(one, this.#identity);
    const own = Object.entries(before ?? {}).filter(isOwn);
    const isSame = own.length === 1 && sameJson(before?.[this.#fleet], this.#identity);
    if (before !== undefined && isSame) return before;
    const others = Object.entries(before ?? {}).filter((entry) => !isOwn(entry));
    return { ...Object.fromEntries(others), [this.#fleet]: this.#identity };
  }

  /** @returns those of the document where nothing differs but when keys.json was read */
  #trustCopies(): OwnershipDocument['trust'] {
    const before = this.#document?.trust;
    const [known, next] = [this.trustCopy(), this.#trust].map((one) => one && trustDigest(one));
    if (this.#trust === undefined || (known === next && before?.[this.#fleet] !== undefined)) return before;
    return { ...before, [this.#fleet]: this.#trust };
  }

  /** @returns those of before where nothing differs */
  #claimsOf(files: ShardedMap<FileRecord>): ShardedMap<Claim> {
    if (this.#areClaimed(files, this.#claims)) return this.#claims;
    const shards = files.shards.map((records, index) => {
      const before = this.#claims.shards[index] ?? new Map();
      if (this.#areClaimed(records, before)) return before;
      const claims = this.#claimsOfShard(records, before);
      claimed.set(records, { claims, fleet: this.#fleet });
      return claims;
    });
    const isSame = shards.every((shard, index) => shard === this.#claims.shards[index]);
    const claims = isSame ? this.#claims : ShardedMap.over(shards);
    claimed.set(files, { claims, fleet: this.#fleet });
    return claims;
  }

  #claimsOfShard(records: FileRecords, before: Claims): Claims {
    const others = [...before].filter(([, { fleet }]) => !this.#fleets.has(fleet));
    const ours = [...records].map(
      ([file, record]) => [file, claimOf(before.get(file), record, this.#fleet)] as const,
    );
    const after = new Map([...others, ...ours]);
    const isEqual =
      after.size === before.size && [...after].every(([file, claim]) => claim === before.get(file));
    return isEqual ? before : after;
  }
}

function isSameAgent(a: AgentIdentity, b: AgentIdentity): boolean {
  const isSameHost = a.host === undefined || b.host === undefined || a.host === b.host;
  return a.stateDir === b.stateDir && isSameHost;
}

/** Floors count: without the state directory, an older manifest would be taken again. */
function trustDigest({ trusted, isConfirmed, formerKeys, floors }: TrustRecord): string {
  const { lineage, key, number, recoveryKey, recoveredAt } = trusted;
  return JSON.stringify([lineage, key, number, recoveryKey, recoveredAt, isConfirmed, formerKeys, floors]);
}

const sameJson = (a: unknown, b: unknown) => a === b || JSON.stringify(a) === JSON.stringify(b);

/** A file that is broken counts as absent; that is logged. One that is there and cannot be read does not. */
export async function readOwnership(place: OwnershipPlace, log: Log): Promise<Ownership> {
  const { certsDir } = place;
  const path = join(certsDir, OWNERSHIP_FILE);
  let unreadable: HostError | undefined;
  const onUnreadable = (problem: HostError) => {
    unreadable ??= problem;
  };
  const stored = await unlessBroken(path, log, async () => {
    const { files, ...document } = await readDocumentAt(path);
    if (document.version === INLINE) return { document, claims: ShardedMap.of(checkClaims(files)) };
    // A later version's claims are in places that only it knows.
    if (document.version !== SHARDED) return { document, claims: ShardedMap.of<Claim>({}) };
    const shards = await readShardFiles(folderIn(certsDir, log, onUnreadable));
    return { document, claims: ShardedMap.over(shards) };
  });
  if (stored === 'unreadable') onUnreadable(await problemOf(path));
  const { document, claims } = typeof stored === 'object' ? stored : NOTHING;
  if (document?.version !== SHARDED) forgetShardFiles(join(certsDir, OWNERSHIP_FOLDER));
  if (unreadable !== undefined) log('records.failed', { file: path, message: unreadable.message });
  return new Ownership(place, log, { document, claims, unreadable });
}

const NOTHING = { document: undefined, claims: ShardedMap.of<Claim>({}) };

async function unlessBroken<T>(
  path: string,
  log: Log,
  read: () => Promise<T>,
): Promise<T | 'unreadable' | undefined> {
  try {
    return await read();
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    if (error instanceof SyntaxError || error instanceof TypeError || error instanceof z.ZodError) {
      log('state.reset', { file: path, message: messageOf(error) });
      return undefined;
    }
    return 'unreadable';
  }
}

async function problemOf(path: string): Promise<HostError> {
  const failure = await readText(path).then(
    () => undefined,
    (error: unknown) => error,
  );
  const why = failure === undefined ? 'it changes just now' : await ioProblem(path, failure);
  return new HostError('ERR_STATE_DIRECTORY', `${path} cannot be read (${why})`);
}

const readJson = async (path: string): Promise<unknown> => JSON.parse(await readText(path));

/** @throws with the code of what keeps it from being read */
async function readText(path: string): Promise<string> {
  const stats = await lstat(path);
  const refused = (code: string) => Object.assign(new Error(`${path} is no file of ours`), { code });
  if (stats.isDirectory()) throw refused('EISDIR');
  if (stats.isSymbolicLink()) throw refused('ELOOP');
  // A pipe or a device: nothing of ours is in it.
  if (!stats.isFile() || stats.size > MAX_BYTES) throw new TypeError('wanted a file of ours');
  return (await readRegularFile(path, MAX_BYTES)).toString('utf8');
}

async function readDocumentAt(path: string): Promise<OwnershipDocument> {
  const document = (await readJson(path)) as OwnershipDocument;
  if (!Number.isInteger(document?.version)) throw new TypeError('wanted a version');
  if (!isKnownVersion(document)) return document;
  if (document.trust !== undefined && !isRecord(document.trust)) delete document.trust;
  if (!agentsByFleet.safeParse(document.agents).success) delete document.agents;
  // What nobody can read ends nothing; the tombstones of the next manifest say it again.
  const isReadable = ended.safeParse(document.ended).success;
  return isReadable ? document : { ...document, ended: {} };
}

const isKnownVersion = ({ version }: OwnershipDocument) => version === INLINE || version === SHARDED;

function folderIn(
  certsDir: string,
  log: Log,
  onUnreadable: (problem: HostError) => void = () => undefined,
): ShardFolder<Claims> {
  return {
    path: join(certsDir, OWNERSHIP_FOLDER),
    empty: new Map(),
    isEmpty: ({ size }) => size === 0,
    keepsUnsaved: false,
    async read(path, index) {
      const claims = await unlessBroken(path, log, async () => {
        const { files } = (await readJson(path)) as { files?: unknown };
        return new Map(Object.entries(checkClaims(files)).filter(([file]) => shardOf(file) === index));
      });
      if (claims === 'unreadable') onUnreadable(await problemOf(path));
      return claims;
    },
    async write(path, claims) {
      const owner = await ownerOf(certsDir);
      // Temporary files are swept there.
      const options = { mode: 0o600, ...owner, tempDirectory: certsDir };
      const text = `${JSON.stringify({ files: toRecord(claims) })}\n`;
      await writeInFolder(path, () => replaceFile(path, text, options));
      return true;
    },
  };
}

const ended = z.record(fleetName, endedPems).optional();
const agentsByFleet = z
  .record(fleetName, z.looseObject({ stateDir: z.string(), host: z.string().optional() }))
  .optional();
