/** Files of a directory that are another user's, or that others may read: what `doctor` names, and the repairs of `doctor --fix`. */
import type { Stats } from 'node:fs';
import { relative } from 'node:path';
import { userName } from './accounts.ts';
import { type IsOwnName, sharedWith } from './own-directory.ts';
import { entriesBelow } from './owned-tree.ts';
import type { Repair } from './repair.ts';

export interface FaultyFiles {
  /** Half a sentence for each of the first few: `/path (root's, mode 0644)`. */
  names: readonly string[];
  count: number;
  repairs: readonly Repair[];
}

export interface TreeRules {
  /** The directory; nothing outside of it is looked at. */
  root: string;
  owner: { uid: number; gid: number };
  /** Entries at its top that are pemfleet's; nobody else's are looked at. */
  isOwn: IsOwnName;
  /** The bits that a file or directory must not have, by its path below the root. */
  forbidden: (below: string, isDirectory: boolean) => number;
}

export interface TreeFaults {
  /** Of another user. */
  foreign: FaultyFiles;
  /** Others may read, lock or write it. */
  open: FaultyFiles;
  /** Why there are no repairs though there are faults: the directory is not pemfleet's alone. */
  shared?: string | undefined;
}

const NAMED = 5;

/** Without links and what is no file: nothing opens them. */
export async function treeFaults({ root, owner, isOwn, forbidden }: TreeRules): Promise<TreeFaults> {
  const foreign: { path: string; stats: Stats }[] = [];
  const open: { path: string; stats: Stats; bits: number }[] = [];
  for await (const { path, stats } of entriesBelow(root, isOwn)) {
    if (!stats.isFile() && !stats.isDirectory()) continue;
    if (stats.uid !== owner.uid) foreign.push({ path, stats });
    const bits = stats.mode & forbidden(relative(root, path), stats.isDirectory());
    if (bits !== 0) open.push({ path, stats, bits });
  }
  const shared = await sharedWith(root, isOwn);
  const unlessShared = (repairs: readonly Repair[]) => (shared === undefined ? repairs : []);
  const namesOf = (all: readonly { path: string; stats: Stats }[]) =>
    all.slice(0, NAMED).map(({ path, stats }) => `${path} (${userName(stats.uid)}, ${bitsText(stats.mode)})`);
  return {
    shared,
    foreign: {
      names: namesOf(foreign),
      count: foreign.length,
      repairs: unlessShared(foreign.map(({ path }) => ({ path, within: root, owner }))),
    },
    open: {
      names: namesOf(open),
      count: open.length,
      repairs: unlessShared(
        open.map(({ path, stats, bits }) => ({ path, within: root, mode: stats.mode & 0o7777 & ~bits })),
      ),
    },
  };
}

export const bitsText = (mode: number): string => (mode & 0o7777).toString(8).padStart(4, '0');

/** `a, b and 3 more`. */
export function faultsText({ names, count }: FaultyFiles): string {
  const rest = count - names.length;
  return rest > 0 ? `${names.join(', ')} and ${rest} more` : names.join(', ');
}

/** What a finding says where `--fix` changes nothing. */
export const sharedFix = (shared: string, setting: string): string =>
  `left as they are, for ${shared}: give ${setting} a directory of its own, or change each file by hand`;
