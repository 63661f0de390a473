/**
 * The agent's state directory holds what must outlive the process: the last good manifest, which files are ours, failures with the
 * time of the next try, the last report, and whose manifests it takes (trust.ts). It never holds a key. Losing it only costs another
 * round of handshakes: each pass reads disk and HAProxy itself.
 */
import { join } from 'node:path';
import * as z from 'zod';
import { dateTime } from '#contract/document.ts';
import { ContractError } from '#contract/errors.ts';
import type { HostStatus } from '#contract/host-status.ts';
import { parseJson } from '#contract/json.ts';
import { type FleetName, fleetName, type HostName, sha256Hex } from '#contract/layout.ts';
import { type Manifest, parseManifest } from '#contract/manifest.ts';
import { parseRootParts, type SignedManifest } from '#contract/root.ts';
import { withShardContent } from '#contract/shard/content.ts';
import type { ShardDigests } from '#contract/shard/node.ts';
import { readShards } from '#contract/shard/read.ts';
import type { HostError } from '../errors.ts';
import type { Log } from '../log.ts';
import {
  isDocumentSaved,
  isRemembered,
  MAX_DOCUMENT_BYTES,
  parseUnlessSealed,
  readDocument,
  stateProblemOrThrow,
  unreadableIn,
} from './documents.ts';
import { endedPems } from './ended.ts';
import { type FileRecord, type FileRecords, fileRecord } from './file-record.ts';
import { driftRecord, leftHost } from './left.ts';
import {
  forgetShardFiles,
  readShardFiles,
  removeShardFiles,
  type ShardFolder,
  wantsShardFiles,
  writeShardFiles,
} from './shard-files.ts';
import { ShardedMap, shardOf, toRecord } from './sharded-map.ts';
import {
  knownTrees,
  parsedShard,
  parsedShards,
  type StoredShards,
  saveShards,
  storedShard,
  sweepShards,
} from './shards.ts';
import { readStatus, STATUS_FOLDER } from './status.ts';

/** What the state holds beside the records of the files. */
const stateMembers = z.looseObject({
  /** The fleet that this agent served in its last pass. */
  fleet: fleetName.optional(),
  /** PEMs that tombstones have ended, until they expire. */
  ended: endedPems.optional(),
  /** The agent's last reload or attempt. `wish` is the digest of the files that needed it. */
  reload: z
    .looseObject({
      at: dateTime,
      wish: sha256Hex,
      failure: z.looseObject({ code: z.string(), message: z.string() }).optional(),
    })
    .optional(),
  /** As the last pass has left the host. */
  left: leftHost.optional(),
  /** What was different from that, and was repaired. */
  drift: z.array(driftRecord).optional(),
  /** The host status that the bucket has taken. */
  reported: z.looseObject({ digest: sha256Hex, at: dateTime }).optional(),
});

const inlineState = stateMembers.extend({ version: z.literal(1), files: z.record(z.string(), fileRecord) });
/** Its records are in the shards beside it. An agent that does not know this form begins anew. */
const shardedState = stateMembers.extend({ version: z.literal(2) });
const recordShard = z.looseObject({ files: z.record(z.string(), fileRecord) });
const storedState = z.discriminatedUnion('version', [inlineState, shardedState]);

const manifestRecord = z.looseObject({
  fleet: fleetName,
  etag: z.string(),
  /** Of the contract; absent: 1. */
  version: z.literal([1, 2]).optional(),
  body: z.string(),
});

export type AgentState = z.infer<typeof stateMembers> & { files: ShardedMap<FileRecord> };

export interface StoredManifest {
  fleet: FleetName;
  etag: string;
  body: string;
  /** The parsed body. Parsing 10,000 certificates takes a while, so it happens once per pass. */
  manifest: Manifest;
  /** Of version 2: the issuer's statement about it (root.ts). */
  head?: string | undefined;
  /** Where `body` is a root with shards. */
  shards?: StoredShards | undefined;
}

/** The manifest is one string; the status has all files. */
const OWN_BOUNDS = { maxStringBytes: MAX_DOCUMENT_BYTES, maxItems: 100_000 };

const STATE_FILE = 'state.json';
const MANIFEST_FILE = 'manifest.json';

export interface StateDirectory {
  state: AgentState;
  /** There was one: not lost, and not all of it broken. */
  isStateKnown: boolean;
  /** Why it, or a part of it, cannot be read though it is there. */
  unreadable: HostError | undefined;
  manifest: StoredManifest | undefined;
  status: HostStatus | undefined;
}

/** Ignores a broken document, and logs `state.reset`. Says of one that cannot be read why. Ignores a manifest of another fleet. */
export async function readStateDirectory(
  directory: string,
  { fleet, host }: { fleet: FleetName; host: HostName },
  log: Log,
): Promise<StateDirectory> {
  const onReset = (file: string) => log('state.reset', { file });
  const unlessBroken = async <T>(name: string, reading: Promise<T | 'broken' | undefined>) => {
    const document = await reading.catch((error: unknown) => void stateProblemOrThrow(error));
    if (document !== 'broken') return document;
    onReset(join(directory, name));
    return undefined;
  };
  const state = await unlessBroken(STATE_FILE, readState(directory, onReset));
  const manifest = await unlessBroken(
    MANIFEST_FILE,
    readDocument(join(directory, MANIFEST_FILE), parseStoredManifest, true),
  );
  const whole = manifest && (await unlessBroken(MANIFEST_FILE, withShards(directory, manifest)));
  const status = await unlessBroken('status.json', readStatus(directory, { fleet, host }, onReset));
  const unreadable = unreadableIn(directory, STATE_FILE) ?? unreadableIn(join(directory, RECORDS_FOLDER));
  return {
    state: state ?? { files: ShardedMap.of({}) },
    isStateKnown: state !== undefined,
    unreadable,
    manifest: whole?.fleet === fleet ? whole : undefined,
    status,
  };
}

type StoredState = z.infer<typeof storedState>;

const parseState = (text: string, isSealed: boolean): StoredState =>
  parseUnlessSealed(text, isSealed, () => storedState.parse(parseJson(Buffer.from(text))));

/** State directories whose records are in shards. */
const sharded = new Set<string>();
const RECORDS_FOLDER = 'records';

/** Folders of the state directory that may hold temporary files. */
export const shardFoldersIn = (directory: string) =>
  [RECORDS_FOLDER, STATUS_FOLDER].map((folder) => join(directory, folder));

async function readState(
  directory: string,
  onReset: (path: string) => void,
): Promise<AgentState | 'broken' | undefined> {
  sharded.delete(directory);
  const stored = await readDocument(join(directory, STATE_FILE), parseState);
  const isSharded = typeof stored === 'object' && stored.version === 2;
  if (!isSharded) forgetShardFiles(join(directory, RECORDS_FOLDER));
  if (stored === undefined || stored === 'broken') return stored;
  if (stored.version === 1) {
    const { version: _, files, ...rest } = stored;
    return { ...rest, files: ShardedMap.of(files) };
  }
  const { version: _, ...members } = stored;
  sharded.add(directory);
  const shards = await readShardFiles(recordsIn(directory, onReset));
  return { ...members, files: ShardedMap.over(shards) };
}

function recordsIn(directory: string, onReset?: (path: string) => void): ShardFolder<FileRecords> {
  const parse = (text: string, isSealed: boolean): z.infer<typeof recordShard> =>
    parseUnlessSealed(text, isSealed, () => recordShard.parse(parseJson(Buffer.from(text))));
  return {
    path: join(directory, RECORDS_FOLDER),
    empty: new Map(),
    isEmpty: ({ size }) => size === 0,
    keepsUnsaved: true,
    async read(path, index) {
      const read = await readDocument(path, parse).catch((error: unknown) => {
        stateProblemOrThrow(error);
        return 'unreadable' as const;
      });
      if (read === 'unreadable') return read;
      if (read === 'broken') onReset?.(path);
      if (read === undefined || read === 'broken') return undefined;
      return new Map(Object.entries(read.files).filter(([file]) => shardOf(file) === index));
    },
    write: (path, records) => isDocumentSaved(path, { files: toRecord(records) }),
  };
}

/** Without this version's seal, the manifest's own rules apply: a downgraded agent must fetch again what it can read. */
function parseStoredManifest(text: string, isSealed: boolean): StoredManifest {
  const { fleet, etag, version, body } = manifestRecord.parse(parseJson(Buffer.from(text), OWN_BOUNDS));
  if (version !== 2) {
    const manifest = parseUnlessSealed(body, isSealed, () => parseManifest(fleet, Buffer.from(body)));
    return { fleet, etag, body, manifest };
  }
  if (!isSealed) {
    const { manifest, head } = parseRootParts(fleet, Buffer.from(body));
    return { fleet, etag, body, manifest, head };
  }
  const { signature: head, ...manifest } = JSON.parse(body) as SignedManifest & { signature: string };
  return { fleet, etag, body, manifest, head };
}

/** The certificates of a root with shards are in files of their own. */
async function withShards(directory: string, stored: StoredManifest): Promise<StoredManifest | 'broken'> {
  if (!stored.manifest.requires?.includes('shards')) return stored;
  const { fleet, body } = stored;
  const { shards } = JSON.parse(body) as { shards: ShardDigests };
  const fetch = (_: string, sha256: string) => storedShard(directory, sha256);
  try {
    const read =
      parsedShards(directory, shards) ??
      (await readShards(fleet, shards, { cached: parsedShard, known: knownTrees, fetch }));
    const manifest = withShardContent(stored.manifest, read);
    return { ...stored, manifest, shards: { ...read, digests: shards, fetched: new Map() } };
  } catch (error) {
    if (error instanceof ContractError) return 'broken';
    throw error;
  }
}

/** @param before as the directory has it */
export async function saveState(directory: string, state: AgentState, before?: AgentState): Promise<boolean> {
  if (state === before) return true;
  const path = join(directory, STATE_FILE);
  const folder = recordsIn(directory);
  const isSharded = sharded.has(directory);
  const { files } = state;
  if (!wantsShardFiles(files.size, isSharded)) {
    const isSaved = await isDocumentSaved(
      path,
      inline(state),
      isSharded ? undefined : before && inline(before),
    );
    // A kill before it leaves shards that nobody reads.
    if (isSaved && isSharded) await removeShardFiles(folder).catch(() => undefined);
    sharded.delete(directory);
    return isSaved;
  }
  const areSaved = await writeShardFiles(folder, files.shards);
  const isSaved = await isDocumentSaved(
    path,
    rootOf(state),
    isSharded && before ? rootOf(before) : undefined,
  );
  sharded.add(directory);
  return areSaved && isSaved;
}

function inline({ files, ...members }: AgentState): object {
  return { ...members, version: 1, files: toRecord(files) };
}

function rootOf({ files: _, ...members }: AgentState): object {
  return { ...members, version: 2 };
}

export async function saveManifest(
  directory: string,
  { fleet, etag, body, shards, manifest: { version } }: StoredManifest,
  before?: StoredManifest,
): Promise<boolean> {
  if (etag === before?.etag && body === before.body) return true;
  const areSaved = shards === undefined || (await isDone(saveShards(directory, shards)));
  const isSaved = await isDocumentSaved(join(directory, MANIFEST_FILE), { fleet, etag, version, body });
  if (shards !== undefined && isSaved) await isDone(sweepShards(directory, shards, before?.shards));
  return areSaved && isSaved;
}

/** Shards that the directory does not take are fetched again by the next process. */
function isDone(work: Promise<void>): Promise<boolean> {
  return work.then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (!/^E[A-Z0-9]+$/.test(error.code ?? '')) throw error;
      return false;
    },
  );
}

/** Whether the state is known though the directory does not take it: an earlier pass of this process has made it. */
export const isStateRemembered = (directory: string) => isRemembered(join(directory, STATE_FILE));
