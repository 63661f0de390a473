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
import { stampAt } from './stamp.ts';

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
  /** Which file it was. */
  file: string;
  shard: unknown;
}

/** By folder and index: what this process has read or written there. */
const known = new Map<string, Map<number, KnownShard>>();

function knownIn({ path }: Pick<ShardFolder<unknown>, 'path'>): Map<number, KnownShard> {
  const shards = known.get(path) ?? new Map<number, KnownShard>();
  known.set(path, shards);
  return shards;
}

/** @returns `SHARDS` of them; those that have not changed are the same objects as before */
export async function readShardFiles<S>(folder: ShardFolder<S>): Promise<S[]> {
  const before = knownIn(folder);
  const shards: S[] = [];
  for (const [index, name] of NAMES.entries()) {
    const path = `${folder.path}/${name}`;
    const file = identityOf(path);
    let entry = before.get(index);
    if (entry?.file !== file) {
      const read = await folder.read(path, index);
      const isUnreadable = read === 'unreadable';
      entry = { file, shard: isUnreadable ? folder.empty : (read ?? folder.empty) };
      if (isUnreadable) before.delete(index);
      else before.set(index, entry);
    }
    shards.push(entry.shard as S);
  }
  return shards;
}

/** As they were read or written the last time. */
export function knownShards<S>(folder: ShardFolder<S>): S[] {
  const shards = knownIn(folder);
  return Array.from(
    { length: SHARDS },
    (_, index) => (shards.get(index)?.shard as S | undefined) ?? folder.empty,
  );
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
  const changed = shards.flatMap((shard, index) => {
    const saved = before.get(index);
    const isSaved = saved !== undefined && (saved.shard === shard || isSame(saved.shard as S, shard));
    return isSaved ? [] : [{ index, path: pathOf(folder, index), shard }];
  });
  const write = async ({ index, path, shard }: (typeof changed)[number]) => {
    const isEmpty = folder.isEmpty(shard);
    const isSaved = isEmpty ? await isRemoved(path) : await folder.write(path, shard);
    // Records of files that are no more harm nobody, and the next write tries again.
    if (isSaved || (folder.keepsUnsaved && !isEmpty)) before.set(index, { file: identityOf(path), shard });
    return isSaved;
  };
  const results = await inParallel(changed, AT_ONCE, write, ({ path }) => path);
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

/** A file that is replaced, as all of ours are, is another one. */
function identityOf(path: string): string {
  return stampAt(path, true)?.stamp ?? '';
}

function pathOf({ path }: Pick<ShardFolder<unknown>, 'path'>, index: number): string {
  return join(path, NAMES[index] ?? '');
}
