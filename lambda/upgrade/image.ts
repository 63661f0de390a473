/**
 * Version 1 of the manifest, written along after each commit for agents that read no roots: the root without what they do not know. They
 * remove what is missing in it, so nothing valid leaves it but by a tombstone.
 */
import { DAY_MS } from '#common/time.ts';
import { serializeDocument } from '#contract/document.ts';
import { BucketError } from '#contract/errors.ts';
import { layout } from '#contract/layout.ts';
import { MAX_MANIFEST_BYTES } from '#contract/limits.ts';
import {
  acmeOriginOf,
  emptyManifest,
  MAX_CERTIFICATES,
  type Manifest,
  type ManifestEntry,
  parseManifest,
  serializeManifest,
} from '#contract/manifest.ts';
import type { SignedManifest } from '#contract/root.ts';
import type { Bucket, PutCondition } from '#storage/bucket.ts';
import { endedDigests } from '../publication/tombstones.ts';
import {
  type Alongside,
  alongsideOf,
  type CurrentVersion1,
  isWrittenByOthers,
  readVersion1,
} from '../publication/version1.ts';

/**
 * `foreign`: others have written it, and what they wrote is not judged yet. `held`: old agents remove what it lacks, and the root, made anew
 * after a loss, lacks configured certificates.
 */
export type Version1Result = 'written' | 'unchanged' | 'foreign' | 'held';

export interface Version1Options {
  now: Date;
  /** ETag of what others wrote, if it has been judged: it may be replaced. */
  judged?: string | undefined;
  /** Names that the fleet is to have. */
  configured?: readonly string[] | undefined;
}

const MAX_TRIES = 50;

/** @throws BucketError; `ERR_BUCKET_SIZE` for what no agent of version 1 would read */
export async function writeVersion1(
  bucket: Bucket,
  root: SignedManifest,
  options: Version1Options,
): Promise<Version1Result> {
  return writeOver(bucket, root, options, await readVersion1(bucket, root.fleet));
}

/** @param first what is there, as it was read */
async function writeOver(
  bucket: Bucket,
  root: SignedManifest,
  options: Version1Options,
  first: CurrentVersion1,
): Promise<Version1Result> {
  const key = layout.manifest(root.fleet);
  let current = first;
  for (let attempt = 0; attempt < MAX_TRIES; attempt += 1) {
    const reason = reasonNotToWrite(current, root, options);
    if (reason !== undefined) return reason;
    const result = await bucket.put(key, imageOf(root, current.manifest, options), conditionOf(current));
    if (result !== 'precondition-failed') return 'written';
    current = await readVersion1(bucket, root.fleet);
  }
  throw new BucketError('ERR_BUCKET_CONFLICT', key, `other writers were faster ${MAX_TRIES} times`);
}

/** @returns undefined if it is to be written */
export function reasonNotToWrite(
  { manifest, etag }: CurrentVersion1,
  root: SignedManifest,
  options: Version1Options,
): Exclude<Version1Result, 'written'> | undefined {
  if (manifest === undefined) return isIncomplete(root, options) ? 'held' : undefined;
  if (isWrittenByOthers(manifest)) return etag === options.judged ? undefined : 'foreign';
  return isCurrent(manifest, root, options) ? 'unchanged' : undefined;
}

/** For commands, which do not know what hosts need: where there is one, it follows. @throws BucketError */
export async function updateVersion1(bucket: Bucket, root: SignedManifest, now: Date): Promise<void> {
  const current = await readVersion1(bucket, root.fleet);
  if (current.etag !== undefined) await writeOver(bucket, root, { now }, current);
}

/** What cannot be read has no ETag, and no agent has it. */
function conditionOf({ etag }: CurrentVersion1): PutCondition | undefined {
  if (etag === 'unknown') return undefined;
  return etag === undefined ? { ifNoneMatch: '*' } : { ifMatch: etag };
}

/** A root that was made anew after a loss has young entries only; what cannot be ordered is not waited for. */
function isIncomplete({ certificates }: SignedManifest, { now, configured = [] }: Version1Options): boolean {
  const entries = Object.values(certificates);
  if (entries.length === 0) return true;
  const first = Math.min(...entries.map(({ sequence = 0 }) => sequence));
  return now.getTime() - first < DAY_MS && configured.some((name) => !Object.hasOwn(certificates, name));
}

/** A root that is only signed anew has the image that is there: agents would read it again for nothing. */
function isCurrent(manifest: Manifest, root: SignedManifest, options: Version1Options): boolean {
  const { sequence = 0 } = alongsideOf(manifest) ?? {};
  // A faster writer's. Far in the future it is somebody's who wants it to stay.
  const highest = Math.max(root.sequence, options.now.getTime()) + DAY_MS;
  if (sequence > root.sequence && sequence <= highest) return true;
  return serializeManifest(manifest) === imageOf({ ...root, sequence }, manifest, options);
}

/** @param before what was there: of it, old agents remove what the image lacks */
function imageOf(root: SignedManifest, before: Manifest | undefined, options: Version1Options): string {
  const { fleet, updatedAt, sequence } = root;
  const entries = Object.entries(root.certificates).flatMap(([name, entry]) => {
    const old = version1Entry(entry);
    return old === undefined ? [] : [[name, old] as const];
  });
  const own = Object.fromEntries(entries);
  const alongside: Alongside = { sequence, updatedAt };
  const bare = { ...emptyManifest(fleet, new Date(updatedAt)), updatedAt, alongside };
  const former = keptOf(before, root, options);
  const kept =
    former.length === 0 ? [] : fitting(former, roomBeside({ ...bare, certificates: own }), options);
  const image = { ...bare, certificates: { ...Object.fromEntries(kept), ...own } };
  // Read back: the order of its members is the reader's.
  return serializeManifest(parseManifest(fleet, Buffer.from(serializeManifest(image as Manifest))));
}

/** Absence is no order: what the root lacks stays, until a tombstone names it or it has expired. */
function keptOf(
  before: Manifest | undefined,
  { certificates, tombstones }: SignedManifest,
  { now }: Version1Options,
): [string, ManifestEntry][] {
  const ended = endedDigests(tombstones);
  return Object.entries(before?.certificates ?? {}).filter(([name, { pems }]) => {
    const isValid = pems.some(({ notAfter }) => Date.parse(notAfter) > now.getTime());
    const isEnded = pems.some(({ sha256 }) => ended.has(sha256));
    return isValid && !isEnded && !Object.hasOwn(certificates, name);
  });
}

/** What a document may have beside the root's own entries. */
interface Room {
  certificates: number;
  bytes: number;
}

function roomBeside(own: Manifest): Room {
  return {
    certificates: Math.max(0, MAX_CERTIFICATES - Object.keys(own.certificates).length),
    bytes: MAX_MANIFEST_BYTES - Buffer.byteLength(serializeManifest(own)),
  };
}

/** Whoever fills the document with entries of their own does not keep the root's out of it. Configured ones come first. */
function fitting(
  kept: readonly [string, ManifestEntry][],
  { certificates, bytes }: Room,
  { configured = [] }: Version1Options,
): [string, ManifestEntry][] {
  const names = new Set(configured);
  const byNeed = [...kept].sort(([a], [b]) => Number(names.has(b)) - Number(names.has(a)));
  let left = bytes;
  return byNeed.slice(0, certificates).filter(([name, entry]) => {
    const size = bytesOf({ [name]: entry });
    if (size > left) return false;
    left -= size;
    return true;
  });
}

/** At most, in a manifest. */
function bytesOf(certificates: Record<string, ManifestEntry>): number {
  return Buffer.byteLength(serializeDocument({ certificates }));
}

/**
 * Without receipts: no reader of version 1 knows them, and they are a third of an entry. What nobody ordered has no place in version 1: an
 * old agent would refuse the whole manifest.
 */
function version1Entry({ sequence: _, ...entry }: ManifestEntry): ManifestEntry | undefined {
  if (acmeOriginOf(entry) === undefined) return undefined;
  return { ...entry, pems: entry.pems.map(({ receipt: _receipt, ...pem }) => pem) };
}
