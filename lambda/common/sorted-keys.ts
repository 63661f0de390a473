/** The keys of a directory in the order of a listing, from a key on: a part of it costs no walk through all the rest. */
import type { Dirent } from 'node:fs';
import { opendir } from 'node:fs/promises';
import { join } from 'node:path';

/** Names in one directory: a fleet has one for each certificate that it ever had. */
const MAX_NAMES = 500_000;

/**
 * Without what starts with a dot.
 * @param prefix of the keys in `directory`; ends with `/`
 * @param after only keys behind this one; empty: from the start
 * @throws RangeError for a directory with more names than anything of ours has
 */
export async function sortedKeys(
  directory: string,
  prefix: string,
  { after, max }: { after: string; max: number },
): Promise<string[]> {
  const keys: string[] = [];
  for (const { name, isFolder } of await sortedEntries(directory)) {
    const left = max - keys.length;
    if (left <= 0) break;
    const key = `${prefix}${name}`;
    if (!isFolder) {
      if (key > after) keys.push(key);
    } else if (key > after || after.startsWith(key)) {
      keys.push(...(await sortedKeys(join(directory, name), key, { after, max: left })));
    }
  }
  return keys;
}

/** A folder sorts by its name with the slash, as its keys do: `a-b`, `a/c`, `a0`. */
async function sortedEntries(directory: string): Promise<{ name: string; isFolder: boolean }[]> {
  const entries: { name: string; isFolder: boolean }[] = [];
  for (const entry of await readNames(directory)) {
    if (entry.name.startsWith('.')) continue;
    const isFolder = entry.isDirectory();
    entries.push({ name: isFolder ? `${entry.name}/` : entry.name, isFolder });
  }
  return entries.sort((a, b) => (a.name < b.name ? -1 : 1));
}

async function readNames(directory: string): Promise<Dirent[]> {
  const names: Dirent[] = [];
  try {
    for await (const entry of await opendir(directory, { bufferSize: 1024 })) {
      names.push(entry);
      if (names.length > MAX_NAMES) throw new RangeError(`${directory} has more than ${MAX_NAMES} names`);
    }
  } catch (error) {
    if (!['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
  return names;
}
