/** A directory that one user owns, with all that is in it: which of its files belong to somebody else. */
import type { Stats } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { IsOwnName } from './own-directory.ts';

export interface TreeEntry {
  path: string;
  stats: Stats;
}

/**
 * The directory itself, then all that is below it, links as links. What goes meanwhile, or is shut for this user, is left out.
 * @param isOwn which entries at its top belong to the tree
 */
export async function* entriesBelow(path: string, isOwn: IsOwnName = () => true): AsyncGenerator<TreeEntry> {
  const stats = await unlessGone(() => lstat(path));
  if (stats === undefined) return;
  yield { path, stats };
  if (!stats.isDirectory()) return;
  const names = (await unlessGone(() => readdir(path), 'EACCES')) ?? [];
  for (const name of names.filter(isOwn).sort()) yield* entriesBelow(join(path, name));
}

async function unlessGone<T>(read: () => Promise<T>, ...codes: string[]): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', ...codes].includes((error as NodeJS.ErrnoException).code ?? ''))
      return undefined;
    throw error;
  }
}

export interface ForeignEntries {
  /** The first few. */
  first: readonly TreeEntry[];
  count: number;
}

const SHOWN = 5;

/** What is in the directory of `uid` and belongs to another user. Root alone can look everywhere. */
export async function foreignEntries(path: string, uid: number, isOwn: IsOwnName): Promise<ForeignEntries> {
  const first: TreeEntry[] = [];
  let count = 0;
  for await (const entry of entriesBelow(path, isOwn)) {
    if (entry.stats.uid === uid) continue;
    count += 1;
    if (first.length < SHOWN) first.push(entry);
  }
  return { first, count };
}
