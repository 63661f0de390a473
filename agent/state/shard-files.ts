/**
 * Documents about 50,000 files are kept in shards (sharded-map.ts), a file each: a change of one writes 64 KB, and a resident process reads
 * again only what another has written. Each is replaced as a whole: of what a kill leaves, some files have their new records and some the
 * former ones, and a broken one costs its own records alone. A small host has one document.
 */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { inParallel } from '#common/in-parallel.ts';
import { forgetUnsaved } from './documents.ts';
import { SHARDS } from './sharded-map.ts';
import { type FileIdentity, lookAt } from './stamp.ts';

const AT_ONCE = 32;
/** Of the files, by index. */
const NAMES = Array.from({ length: SHARDS }, (_, index) => `${String(index).padStart(4, '0')}.json`);
/** From so many files on there are shards; below the second number it is one document again. */
const [SHARDED_ABOVE, INLINE_BELOW] = [250, 125];

/** @param isSharded what it is now: around the bound, a host does not change its form with each file */
export function wantsShardFiles(count: number, isSharded: boolean): boolean {
  return count > SHARDED_ABOVE || (isSharded && count >= INLINE_BELOW);
}

export interface ShardFolder<S> {
  path: string;
  /** What a shard without a file is. */
  empty: S;
  isEmpty(shard: S): boolean;
  /** @returns undefined if there is no such file, or none that can be used: that is logged there; an unreadable one is tried again */
  read(path: string, index: number): Promise<S | 'unreadable' | undefined>;
  /** A shard that the directory does not take is kept in memory (documents.ts). */
  keepsUnsaved: boolean;
  /** @returns false if the directory does not take it */
  write(path: string, shard: S): Promise<boolean>;
}

interface KnownShard {
  /** Which file it was; undefined: there was none; a text: it could not be looked at. */
  file: FileIdentity | string | undefined;
  shard: unknown;
}

interface KnownFolder {
  /** Of the files, by index. */
  paths: readonly string[];
  /** By index: what this process has read or written there. */
  shards: (KnownShard | undefined)[];
  /** All that they hold: the same list, until one has changed. */
  list?: readonly unknown[] | undefined;
}

/** By path. */
const known = new Map<string, KnownFolder>();

function knownIn({ path }: Pick<ShardFolder<unknown>, 'path'>): KnownFolder {
  const folder = known.get(path) ?? { paths: NAMES.map((name) => join(path, name)), shards: [] };
  known.set(path, folder);
  return folder;
}

function keep(folder: KnownFolder, index: number, entry: KnownShard | undefined): void {
  folder.shards[index] = entry;
  folder.list = undefined;
}

/** @returns `SHARDS` of them; those that have not changed are the same objects as before, and so is the list where none has */
export async function readShardFiles<S>(folder: ShardFolder<S>): Promise<readonly S[]> {
  const before = knownIn(folder);
  const { paths, shards } = before;
  for (let index = 0; index < SHARDS; index += 1) {
    const path = paths[index] as string;
    const file = lookAt(path, true);
    const entry = shards[index];
    if (entry !== undefined && isSameFile(entry.file, file)) continue;
    const read = await folder.read(path, index);
    const isUnreadable = read === 'unreadable';
    keep(before, index, isUnreadable ? undefined : { file: identityOf(file), shard: read ?? folder.empty });
  }
  return knownShards(folder);
}

/** As they were read or written the last time. */
export function knownShards<S>(folder: ShardFolder<S>): readonly S[] {
  const last = knownIn(folder);
  last.list ??= Array.from({ length: SHARDS }, (_, index) => last.shards[index]?.shard ?? folder.empty);
  return last.list as readonly S[];
}

/** To be called where the document says that it has no shards, or is lost: what was in the folder counts no more. */
export function forgetShardFiles(path: string): void {
  known.delete(path);
}

/**
 * Writes those that are not as they were read or written the last time.
 * @param isSame of two that are not the same object
 * @returns whether the directory has them all
 */
export async function writeShardFiles<S>(
  folder: ShardFolder<S>,
  shards: readonly S[],
  isSame: (a: S, b: S) => boolean = () => false,
): Promise<boolean> {
  const before = knownIn(folder);
  const { paths } = before;
  const changed: { index: number; path: string; shard: S }[] = [];
  for (const [index, shard] of shards.entries()) {
    const saved = before.shards[index];
    const isSaved = saved !== undefined && (saved.shard === shard || isSame(saved.shard as S, shard));
    if (!isSaved) changed.push({ index, path: paths[index] as string, shard });
  }
  const write = async ({ index, path, shard }: (typeof changed)[number]) => {
    const isEmpty = folder.isEmpty(shard);
    const isSaved = isEmpty ? await isRemoved(path) : await folder.write(path, shard);
    // Records of files that are no more harm nobody, and the next write tries again.
    const isKept = isSaved || (folder.keepsUnsaved && !isEmpty);
    if (isKept) keep(before, index, { file: identityOf(lookAt(path, true)), shard });
    return isSaved;
  };
  const results = await inParallel(changed, AT_ONCE, write, ({ path }) => path);
  // Whoever reads them next has the list that was written.
  if (shards.every((shard, index) => before.shards[index]?.shard === shard)) before.list = shards;
  return results.every((isSaved) => isSaved);
}

/** One document has it all again. */
export async function removeShardFiles({ path }: Pick<ShardFolder<unknown>, 'path'>): Promise<void> {
  known.delete(path);
  await rm(path, { recursive: true, force: true });
}

async function isRemoved(path: string): Promise<boolean> {
  forgetUnsaved(path);
  return rm(path, { force: true }).then(
    () => true,
    () => false,
  );
}

/** What a known shard needs of what a look at its file has shown. */
function identityOf(file: FileIdentity | string | undefined): KnownShard['file'] {
  if (typeof file !== 'object') return file;
  const { ino, size, mtimeMs, ctimeMs } = file;
  return { ino, size, mtimeMs, ctimeMs };
}

/** A file that is replaced, as all of ours are, is another one. */
function isSameFile(a: KnownShard['file'], b: KnownShard['file']): boolean {
  if (typeof a !== 'object' || typeof b !== 'object') return a === b;
  return a.ino === b.ino && a.size === b.size && a.mtimeMs === b.mtimeMs && a.ctimeMs === b.ctimeMs;
}
