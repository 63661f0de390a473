/**
 * Whoever may write to a directory can put another one in the place of what lies in it, whatever rights that has; a sticky one (/tmp) keeps
 * them from it. Settings that others may write say which program is run.
 */
import { realpath, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { bitsText } from './owner-faults.ts';
import type { Repair } from './repair.ts';

const [OTHERS_WRITE, STICKY] = [0o002, 0o1000];

/**
 * @param paths of files and directories, absolute; what does not exist is looked at as far as it does
 * @returns the directories above them to which every user may write, each with its mode
 */
async function openDirectoriesAbove(paths: readonly string[]): Promise<string[]> {
  const above = new Set<string>();
  for (const path of paths) {
    // A link, and what it leads to.
    for (const way of [path, await realpath(path).catch(() => path)]) {
      for (let at = dirname(way); !above.has(at); at = dirname(at)) above.add(at);
    }
  }
  const open: string[] = [];
  for (const directory of [...above].sort()) {
    const stats = await stat(directory).catch(() => undefined);
    if (stats?.isDirectory() !== true) continue;
    if ((stats.mode & OTHERS_WRITE) !== 0 && (stats.mode & STICKY) === 0) {
      open.push(`${directory} (${bitsText(stats.mode)})`);
    }
  }
  return open;
}

export interface PlaceFault {
  seen: string;
  fix: string;
  repairs: readonly Repair[];
}

/** @param settings those of the paths that say what is run: nobody but their owner and group may write them */
export async function placeFaults(
  paths: readonly string[],
  settings: readonly string[],
): Promise<PlaceFault[]> {
  const faults: PlaceFault[] = [];
  const above = await openDirectoriesAbove(paths);
  if (above.length > 0) {
    const seen = `every user may put other files in the place of pemfleet's, in ${above.join(', ')}`;
    // Not pemfleet's: whoever has opened it may need it so.
    faults.push({ seen, fix: 'chmod o-w each of them, or chmod +t', repairs: [] });
  }
  for (const file of settings) {
    const path = await realpath(file).catch(() => undefined);
    const mode = path === undefined ? 0 : (await stat(path)).mode & 0o7777;
    if (path === undefined || (mode & OTHERS_WRITE) === 0) continue;
    const seen = `every user may write the settings ${path} (mode ${bitsText(mode)}), which name programs to run`;
    const repairs = [{ path, within: dirname(path), mode: mode & ~OTHERS_WRITE }];
    faults.push({ seen, fix: `as root: doctor --fix, or chmod o-w ${path}`, repairs });
  }
  return faults;
}
