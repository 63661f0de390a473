/**
 * The agent's state directory holds what must outlive the process: the last good manifest, which files are ours, failures with the
 * time of the next try, the last report, and whose manifests it takes (trust.ts). It never holds a key. Losing it only costs another
 * round of handshakes: each pass reads disk and HAProxy itself.
 */
import { join } from 'node:path';
import * as z from 'zod';
import { ContractError } from '#contract/errors.ts';
import { type HostStatus, parseHostStatus } from '#contract/host-status.ts';
import { parseJson } from '#contract/json.ts';
import { certificateName, type FleetName, fleetName, type HostName, sha256Hex } from '#contract/layout.ts';
import { type Manifest, parseManifest } from '#contract/manifest.ts';
import { sequenceNumber } from '#contract/receipt.ts';
import { parseRootParts, type SignedManifest } from '#contract/root.ts';
import type { ShardDigests } from '#contract/shard/node.ts';
import { readShards } from '#contract/shard/read.ts';
import type { Log } from '../log.ts';
import {
  isRemembered,
  MAX_DOCUMENT_BYTES,
  readDocument,
  stateProblemOrThrow,
  writeDocument,
} from './documents.ts';
import { endedPems } from './ended.ts';
import {
  parsedShard,
  parsedShards,
  type StoredShards,
  saveShards,
  storedShard,
  sweepShards,
} from './shards.ts';

const instant = z.iso.datetime();

/** What the manifest said of a PEM that the agent wrote, or was about to write. */
const pemRecord = z.looseObject({
  sha256: sha256Hex,
  /** Of the manifest that published it first: an older one does not replace it. */
  sequence: sequenceNumber,
  /** The issuer's statement (receipt.ts). */
  receipt: z.string().optional(),
});

const failure = z.looseObject({
  /** Digest of the PEM that failed: a new publication is tried at once. */
  sha256: sha256Hex,
  /** The crt-list line it was to have then: a new one is tried at once, too. */
  listing: z.string().optional(),
  code: z.string(),
  message: z.string(),
  attempts: z.number().int().positive(),
  notBefore: instant,
});

const fileRecord = z.looseObject({
  certificate: certificateName,
  /** Digests that the agent wrote, or was about to write when it was killed. Only such a file may be removed. */
  written: z.array(sha256Hex),
  /** Of those of `written` that a manifest of version 2 has named. */
  receipts: z.array(pemRecord).optional(),
  /** The line in the crt-list that the manifest asked for: kept when it names the file no more. */
  listing: z.looseObject({ crtListOptions: z.array(z.string()), sniFilters: z.array(z.string()) }).optional(),
  /** Since when the manifest names neither the file nor its end: logged once. */
  unlisted: z.looseObject({ since: instant }).optional(),
  /** What TLS handshakes have proved, and on which binds. */
  proven: z.looseObject({ sha256: sha256Hex, addresses: z.array(z.string()) }).optional(),
  /** Digest of the OCSP response that HAProxy has taken. */
  stapled: sha256Hex.optional(),
  /** Its `nextUpdate`: until then it is kept when the manifest names the file no more. */
  stapledUntil: instant.optional(),
  /** Digests of OCSP responses that the agent wrote, or was about to write. */
  staples: z.array(sha256Hex).optional(),
  /** Digest of another program's content that the operator has given to the agent: kept until ours is proved. */
  adopted: sha256Hex.optional(),
  failure: failure.optional(),
  /** Why the file, which the manifest no longer names, is still in HAProxy: logged once. */
  waiting: z.looseObject({ code: z.string(), since: instant }).optional(),
});

const agentState = z.looseObject({
  version: z.literal(1),
  /** The fleet that this agent served in its last pass. */
  fleet: fleetName.optional(),
  files: z.record(z.string(), fileRecord),
  /** PEMs that tombstones have ended, until they expire. */
  ended: endedPems.optional(),
  /** The agent's last reload or attempt. `wish` is the digest of the files that needed it. */
  reload: z
    .looseObject({
      at: instant,
      wish: sha256Hex,
      failure: z.looseObject({ code: z.string(), message: z.string() }).optional(),
    })
    .optional(),
  /** The host status that the bucket has taken. */
  reported: z.looseObject({ digest: sha256Hex, at: instant }).optional(),
});

const manifestRecord = z.looseObject({
  fleet: fleetName,
  etag: z.string(),
  /** Of the contract; absent: 1. */
  version: z.literal([1, 2]).optional(),
  body: z.string(),
});

export type PemRecord = z.infer<typeof pemRecord>;
export type Failure = z.infer<typeof failure>;
export type FileRecord = z.infer<typeof fileRecord>;
export type AgentState = z.infer<typeof agentState>;

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
const STATUS_FILE = 'status.json';

export interface StateDirectory {
  state: AgentState;
  manifest: StoredManifest | undefined;
  status: HostStatus | undefined;
}

/** Ignores a broken document, and logs `state.reset`. Ignores one that cannot be read, and a manifest of another fleet. */
export async function readStateDirectory(
  directory: string,
  { fleet, host }: { fleet: FleetName; host: HostName },
  log: Log,
): Promise<StateDirectory> {
  const unlessBroken = async <T>(name: string, reading: Promise<T | 'broken' | undefined>) => {
    const document = await reading.catch((error: unknown) => void stateProblemOrThrow(error));
    if (document !== 'broken') return document;
    log('state.reset', { file: join(directory, name) });
    return undefined;
  };
  const state = await unlessBroken(STATE_FILE, readDocument(join(directory, STATE_FILE), parseState));
  const manifest = await unlessBroken(
    MANIFEST_FILE,
    readDocument(join(directory, MANIFEST_FILE), parseStoredManifest),
  );
  const whole = manifest && (await unlessBroken(MANIFEST_FILE, withShards(directory, manifest)));
  const status = await unlessBroken(STATUS_FILE, readStatus(directory, fleet, host));
  return {
    state: state ?? { version: 1, files: {} },
    manifest: whole?.fleet === fleet ? whole : undefined,
    status,
  };
}

const parseState = (text: string, isSealed: boolean) =>
  parseUnlessSealed(text, isSealed, () => agentState.parse(parseJson(Buffer.from(text))));

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
      parsedShards(directory, shards) ?? (await readShards(fleet, shards, { cached: parsedShard, fetch }));
    const { certificates, tombstones } = read;
    const manifest = { ...stored.manifest, certificates, tombstones };
    return { ...stored, manifest, shards: { ...read, digests: shards, fetched: new Map() } };
  } catch (error) {
    if (error instanceof ContractError) return 'broken';
    throw error;
  }
}

/** A sealed document needs no schema, because no schema of ours changes what it reads (golden.test.ts and state.test.ts hold that). */
function parseUnlessSealed<T>(text: string, isSealed: boolean, check: () => T): T {
  return isSealed ? (JSON.parse(text) as T) : check();
}

/** The host status of the last pass, whether or not the bucket took it. */
export function readStatus(directory: string, fleet: FleetName, host: HostName) {
  const parse = (text: string, isSealed: boolean) =>
    parseUnlessSealed(text, isSealed, () => parseHostStatus(fleet, host, Buffer.from(text), OWN_BOUNDS));
  return readDocument(join(directory, STATUS_FILE), parse);
}

export const saveState = (directory: string, state: AgentState, before?: AgentState) =>
  save(directory, STATE_FILE, state, before);
export const saveStatus = (directory: string, status: HostStatus) => save(directory, STATUS_FILE, status);

export async function saveManifest(
  directory: string,
  { fleet, etag, body, shards, manifest: { version } }: StoredManifest,
  before?: StoredManifest,
): Promise<boolean> {
  if (etag === before?.etag && body === before.body) return true;
  const areSaved = shards === undefined || (await isDone(saveShards(directory, shards)));
  const isSaved = await save(directory, MANIFEST_FILE, { fleet, etag, version, body });
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

/** @returns false if the directory does not take it: this process keeps it (`stateProblemIn` says why) */
async function save(directory: string, name: string, document: object, before?: object): Promise<boolean> {
  const problem = await writeDocument(join(directory, name), document, before).catch(stateProblemOrThrow);
  return problem === undefined;
}

/** Whether the state is known though the directory does not take it: an earlier pass of this process has made it. */
export const isStateRemembered = (directory: string) => isRemembered(join(directory, STATE_FILE));
