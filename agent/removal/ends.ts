/**
 * Decides which of our files go that the manifest does not name: one that a tombstone ends, one that has expired, one whose certificate
 * the manifest has under another file name. Nothing else is an order to remove anything.
 */
import type { Manifest } from '#contract/manifest.ts';
import type { DesiredFile } from '../desired/files.ts';
import { hasName, isHandedOutFor, servedNames } from '../desired/overlap.ts';
import { type EndedPems, endsByDigest, hasPassed, type PemEnd } from '../state/ended.ts';
import { isServedHere, type ServedInput } from './served.ts';
import { isOwnContent, sequenceOf } from './unlisted.ts';

export interface EndsInput extends ServedInput {
  manifest: Manifest;
  ended: EndedPems;
  /** What the manifest names and this host is to have. */
  desired: readonly DesiredFile[];
  /** Files that the manifest names for each certificate, whether or not this host is to have them. */
  filesByCertificate: ReadonlyMap<string, number>;
  now: Date;
}

export interface Ends {
  /** Files that stay: superseded ones with `isEnding`. */
  kept: DesiredFile[];
  /** Files that go, with the reason. */
  removals: Map<string, string>;
}

/**
 * @param files that the manifest does not name
 * @param unlisted those of them that can be looked after
 */
export function endsOf(
  files: readonly string[],
  unlisted: ReadonlyMap<string, DesiredFile>,
  input: EndsInput,
): Ends {
  const ends = input.manifest.version === 2 ? endsByDigest(input.ended) : new Map<string, PemEnd[]>();
  const kept: DesiredFile[] = [];
  const removals = new Map<string, string>();
  for (const file of files) {
    const desired = unlisted.get(file);
    const reason = input.disk.has(file)
      ? reasonToRemove(file, desired, ends, input)
      : reasonToUnload(file, ends, input);
    if (reason !== undefined) {
      removals.set(file, reason);
    } else if (desired !== undefined) {
      kept.push(isEnding(desired, ends, input) ? { ...desired, isEnding: true } : desired);
    }
  }
  return { kept, removals };
}

type EndsByDigest = ReadonlyMap<string, readonly PemEnd[]>;

function reasonToRemove(
  file: string,
  desired: DesiredFile | undefined,
  ends: EndsByDigest,
  input: EndsInput,
): string | undefined {
  if (!isOwnContent(file, input)) return undefined;
  const words = wordsFor(file, ends, input);
  const word = words.find(({ reason }) => reason !== SUPERSEDED);
  if (word !== undefined) return endedBy(word);
  if (desired === undefined) return undefined;
  const superseded = words.find(({ by }) => isCovered(desired, by ?? [], input));
  if (superseded !== undefined) return `superseded by ${superseded.by?.join(', ')}, served here`;
  if (hasPassed(desired.notAfter, input.manifest, input.now)) {
    return `expired ${desired.notAfter.toISOString()}, and the manifest does not name it`;
  }
  const successors = successorsOf(desired, input);
  const areServed = successors.length > 0 && successors.every((one) => isServedHere(one, input));
  return areServed ? `${successors.map((one) => one.file).join(', ')} took its place` : undefined;
}

/** Of a file that is gone from the disk: HAProxy may hold it still. */
function reasonToUnload(file: string, ends: EndsByDigest, { records }: EndsInput): string | undefined {
  const { written = [], waiting } = records.get(file) ?? {};
  const words = written.flatMap((sha256) => ends.get(sha256) ?? []);
  const word = words.find(({ reason }) => reason !== SUPERSEDED);
  if (word !== undefined) return endedBy(word);
  return waiting === undefined ? undefined : 'removed from the disk before';
}

const SUPERSEDED = 'superseded';

const endedBy = ({ reason, at }: PemEnd) => `${reason} ${at}`;

/** A word that is older than the entry that brought the file here is about an earlier time. */
function wordsFor(file: string, ends: EndsByDigest, input: EndsInput): readonly PemEnd[] {
  const words = ends.get(input.disk.get(file)?.sha256 ?? '') ?? [];
  const since = sequenceOf(file, input);
  return words.filter(({ sequence }) => sequence >= since);
}

function isEnding(desired: DesiredFile, ends: EndsByDigest, input: EndsInput): boolean {
  return wordsFor(desired.file, ends, input).length > 0 || successorsOf(desired, input).length > 0;
}

/** Files of its own certificate: it was one file and is a pair now, or the other way round. */
function successorsOf(
  { certificate }: DesiredFile,
  { desired, filesByCertificate }: EndsInput,
): DesiredFile[] {
  const files = desired.filter((one) => one.certificate === certificate);
  return files.length === filesByCertificate.get(certificate) ? files : [];
}

/**
 * Whether this host serves the certificates that took its place, and HAProxy hands them out for all of its names: a crt-list's filters
 * may leave out a name that a certificate has.
 */
function isCovered(desired: DesiredFile, by: readonly string[], input: EndsInput): boolean {
  const served = input.desired.filter((one) => by.includes(one.certificate) && isServedHere(one, input));
  const names = new Set([...desired.identifiers, ...(desired.names ?? []), ...servedNames(desired)]);
  const isTakenOver = (name: string) => served.some((one) => isHandedOutFor(one, name));
  // A name that its own filters leave out: nobody gets it now.
  const isIdle = (name: string) => !isHandedOutFor(desired, name) && served.some((one) => hasName(one, name));
  return [...names].every((name) => isTakenOver(name) || isIdle(name));
}
