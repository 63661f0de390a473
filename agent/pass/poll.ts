/**
 * Asks the bucket for a new manifest: one conditional GET of root.json; "not modified" is the normal answer. manifest.json, which
 * nobody signs, is read only where version 1 is allowed.
 */
import { clockOffset } from '#common/clock.ts';
import { layout } from '#contract/layout.ts';
import { parseManifest } from '#contract/manifest.ts';
import {
  parseRootParts,
  type ReadRoot,
  type RootParts,
  readHead,
  type SignedManifest,
} from '#contract/root.ts';
import { withShardContent } from '#contract/shard/content.ts';
import type { ShardDigests } from '#contract/shard/node.ts';
import { readShards } from '#contract/shard/read.ts';
import type { HostBucket, StoredObject } from '#storage/bucket.ts';
import { readUnlessSpoilt } from '#storage/cached-document.ts';
import type { Agent } from '../agent.ts';
import { asBlocker, type Blocker } from '../blocker.ts';
import { trustPlaces } from '../config/config.ts';
import { HostError } from '../errors.ts';
import type { Ownership } from '../state/ownership.ts';
import { knownTrees, parsedShard, storedShard } from '../state/shards.ts';
import type { StateDirectory, StoredManifest } from '../state/state.ts';
import { blankMemory, readTrust } from '../state/trust.ts';
import { headDigest, type Refusal } from '../trust/accept.ts';
import { decideByAuthority } from '../trust/authority.ts';
import { type Condition, conditionMessage, conditionsOf } from '../trust/conditions.ts';
import { type PublishedReader, type Reads, readIfThere, readPublished } from '../trust/published.ts';
import {
  newTrust,
  type PinnedTrust,
  type SequenceFloor,
  type TrustRecord,
  withAccepted,
  withPinned,
} from '../trust/record.ts';

export interface PollResult {
  /** The manifest in force; `undefined`: nothing was ever published for this host. */
  manifest: StoredManifest | undefined;
  isNew: boolean;
  /** Why the last good manifest, if there is one, stays in force. */
  error: Blocker | undefined;
  conditions: readonly Condition[];
  trust: TrustRecord | undefined;
  reads: Reads;
}

/** What a host knows before it polls. */
export interface KnownBefore {
  /** The last good manifest. */
  manifest: StoredManifest | undefined;
  /** The host's: all that is known of it. */
  trust: TrustRecord | undefined;
  /** As the state directory has it. */
  saved: TrustRecord | undefined;
  /** Why nothing may be installed or removed: what the host knew is there and cannot be read. */
  blank: HostError | undefined;
  /** Of our files, where the trust record is lost, or knows no sequence. */
  receipts: readonly string[];
}

/** From all places: each may be lost. */
export async function readKnown(
  { config, memory, log }: Agent,
  stored: Pick<StateDirectory, 'manifest' | 'isStateKnown' | 'unreadable'>,
  ownership: Ownership,
): Promise<KnownBefore> {
  const { fleet } = config;
  const { manifest } = stored;
  const sources = { fleet, ownership, memory, fromManifest: trustOf(manifest), log };
  const { saved, trust, unreadable } = await readTrust(trustPlaces(config), sources);
  // A record without a floor was made when all that knew one was lost, and its first manifest was refused.
  const hasFloor = Object.keys(trust?.floors ?? {}).length > 0;
  const blank = blankMemory(stored, ownership) ?? unreadable;
  return {
    manifest,
    saved,
    trust,
    blank,
    receipts: saved !== undefined && hasFloor ? [] : ownership.receipts(),
  };
}

/** Of the last good manifest, where nothing else is left: its signer is the one that the host trusted. */
function trustOf(manifest: StoredManifest | undefined): TrustRecord | undefined {
  const root = storedRoot(manifest);
  if (root === undefined) return undefined;
  const trust = newTrust({ lineage: root.manifest.lineage, key: root.key }, false);
  return withAccepted(trust, root.manifest.fleet, floorOf(root));
}

export async function pollOrKeep(agent: Agent, known: KnownBefore): Promise<PollResult> {
  const reads: Reads = new Map();
  const { manifest } = known;
  const trust = withPinned(known.trust, pinnedIn(agent));
  const begin = agent.now();
  let bucket: HostBucket | undefined;
  let answeredBefore: Date | undefined;
  try {
    // What cannot be read is no first contact.
    if (known.blank && trust === undefined && !agent.config.trust.parameter) throw known.blank;
    bucket = await agent.openBucket();
    answeredBefore = bucket.answeredAt;
    const reader = { bucket, reads };
    const stored = storedRoot(manifest);
    const { refusal, parameterError, ...polled } = await poll({ agent, known, stored, trust, reader });
    const storeTime = bucket.answeredAt ?? agent.now();
    const inForce = polled.manifest?.manifest;
    const conditions = conditionsOf({
      ...{ manifest: inForce, trust: polled.trust, refusal, parameterError, storeTime },
      clockOffsetMs: offsetFrom(bucket, answeredBefore, { begin, end: agent.now() }),
    });
    return { ...polled, isNew: polled.manifest !== manifest, conditions, reads };
  } catch (error) {
    // What is published may be spoilt for weeks. Of a store that has not answered, the clock is unknown; a directory's is this machine's.
    const storeTime = bucket?.answeredAt ?? (bucket?.url.startsWith('file:') ? agent.now() : undefined);
    const clockOffsetMs = offsetFrom(bucket, answeredBefore, { begin, end: agent.now() });
    const facts = { manifest: manifest?.manifest, trust, refusal: undefined, storeTime, clockOffsetMs };
    return { manifest, isNew: false, error: asBlocker(error), conditions: conditionsOf(facts), trust, reads };
  }
}

/** Only of an answer of this poll: an earlier one says nothing of the clock now. @returns undefined: there was none */
function offsetFrom(
  bucket: HostBucket | undefined,
  answeredBefore: Date | undefined,
  times: { begin: Date; end: Date },
): number | undefined {
  const storeTime = bucket?.answeredAt;
  if (storeTime === undefined || storeTime === answeredBefore) return undefined;
  return clockOffset({ storeTime, ...times });
}

interface Poll {
  agent: Agent;
  known: KnownBefore;
  /** The last good manifest, if it is of version 2. */
  stored: ReadRoot | undefined;
  trust: TrustRecord | undefined;
  reader: PublishedReader;
}

interface Polled extends Pick<PollResult, 'manifest' | 'trust' | 'error'> {
  refusal: Refusal | undefined;
  parameterError?: string | undefined;
}

/** @throws ContractError, BucketError, HostError `ERR_MANIFEST_MISSING` */
async function poll(context: Poll): Promise<Polled> {
  const { agent, known, stored, trust, reader } = context;
  const key = layout.root(agent.config.fleet);
  const isVersion1 = isVersion1Allowed(context);
  const read = isVersion1 ? readIfThere : readPublished;
  const object = await read(reader, key, stored && known.manifest?.etag);
  const polled = object && (await takeRoot(context, object));
  const isWanted = isVersion1 && (polled === undefined || isVersion1Until(agent));
  const version1 = isWanted ? await readVersion1(context) : undefined;
  if (version1 !== undefined && isNewer(version1, polled?.manifest ?? known.manifest)) {
    return { manifest: version1, trust, error: undefined, refusal: undefined };
  }
  if (polled !== undefined) return polled;
  const hint = `${reader.bucket.url} holds no ${key}: nothing is published for this fleet, or its name is another`;
  throw new HostError('ERR_MANIFEST_MISSING', hint);
}

/** Whoever has read version 2, or knows a key, takes version 1 only at the operator's word. */
function isVersion1Allowed({ agent, trust }: Poll): boolean {
  return isVersion1Until(agent) || (trust === undefined && agent.config.trust.parameter === undefined);
}

function isVersion1Until({ config, now }: Agent): boolean {
  const { version1Until } = config.trust;
  return version1Until !== undefined && now() < version1Until;
}

/** Than a root, which an old issuer leaves as it is. */
function isNewer({ manifest }: StoredManifest, inForce: StoredManifest | undefined): boolean {
  return inForce?.head === undefined || manifest.updatedAt > inForce.manifest.updatedAt;
}

async function readVersion1({ agent, known, reader }: Poll): Promise<StoredManifest | undefined> {
  const { fleet } = agent.config;
  const before = known.manifest?.head === undefined ? known.manifest : undefined;
  const object = await readPublished(reader, layout.manifest(fleet), before?.etag);
  if (object === 'not-modified') return before;
  if (object === undefined) return undefined;
  const { etag, body } = object;
  return { fleet, etag, body: body.toString('utf8'), manifest: parseManifest(fleet, body) };
}

/** @throws ContractError */
async function takeRoot(context: Poll, object: StoredObject | 'not-modified'): Promise<Polled> {
  const { agent, known, stored, trust, reader } = context;
  const { fleet } = agent.config;
  const isNew = object !== 'not-modified';
  const root = isNew ? parseRootParts(fleet, object.body) : { ...(stored as ReadRoot), shards: undefined };
  const floors = floorsOf(context);
  const { readTrustParameter: readParameter } = agent;
  const { receipts } = known;
  const pinned = agent.config.trust.key;
  const authority = { fleet, trust, pinned, floors, receipts, reader, now: agent.now(), readParameter };
  const decision = await decideByAuthority(authority, root, isNew);
  const { parameterError } = decision;
  if (decision.kind === 'keep') {
    const { condition: refusal } = decision;
    const says = `${refusal.condition}: ${conditionMessage(refusal)}`;
    const error = new HostError('ERR_MANIFEST_REFUSED', says);
    return { manifest: known.manifest, trust: decision.trust, error, refusal, parameterError };
  }
  const manifest = isNew ? await storedManifest(context, object, root) : known.manifest;
  return { manifest, trust: decision.trust, error: undefined, refusal: undefined, parameterError };
}

/** Only of a root that is taken: of another one, no shard is fetched. */
async function storedManifest(
  context: Poll,
  { etag, body }: StoredObject,
  { manifest, head, shards }: RootParts,
): Promise<StoredManifest> {
  const { fleet } = context.agent.config;
  const stored = { fleet, etag, body: body.toString('utf8'), manifest, head };
  if (shards === undefined) return stored;
  const parts = await fetchShards(context, shards);
  return { ...stored, manifest: withShardContent(manifest, parts), shards: parts };
}

/** All of a tree, or an error: then the last good manifest stays in force, and the next poll reads the root again. */
async function fetchShards({ agent, known, reader }: Poll, shards: ShardDigests) {
  const { fleet, stateDir } = agent.config;
  const fetched = new Map<string, Buffer>();
  const fetch = async (key: string, sha256: string) => {
    const stored = await storedShard(stateDir, sha256);
    if (stored !== undefined) return stored;
    // What cannot be read is as good as missing: as such the status says it, and the issuer writes it again.
    const body = (await readUnlessSpoilt(reader.bucket, key))?.body;
    if (body !== undefined) fetched.set(sha256, body);
    return body;
  };
  try {
    const read = await readShards(fleet, shards, { cached: parsedShard, known: knownTrees, fetch });
    return { ...read, digests: shards, fetched };
  } catch (error) {
    reader.reads.set(layout.root(fleet), known.manifest?.etag);
    throw error;
  }
}

function floorsOf({ agent, stored, trust }: Poll): SequenceFloor[] {
  const { fleet } = agent.config;
  const recorded = trust?.floors[fleet];
  return [...(recorded === undefined ? [] : [recorded]), ...(stored === undefined ? [] : [floorOf(stored)])];
}

function floorOf({ manifest: { lineage, sequence }, head, key }: ReadRoot): SequenceFloor {
  return { lineage, sequence, head: headDigest(head), key };
}

/** @returns undefined for version 1, and for a head that is broken */
function storedRoot(stored: StoredManifest | undefined): ReadRoot | undefined {
  if (stored?.head === undefined) return undefined;
  try {
    const { key } = readHead(stored.head, layout.root(stored.fleet));
    return { manifest: stored.manifest as SignedManifest, head: stored.head, key };
  } catch {
    return undefined;
  }
}

function pinnedIn({ config }: Agent): PinnedTrust | undefined {
  const { key, recoveryKey } = config.trust;
  return key === undefined ? undefined : { key, recoveryKey };
}
