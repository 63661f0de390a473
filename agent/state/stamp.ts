/** What a stat tells of a file, so that it need not be read again. */
import { lstatSync, type Stats, statSync } from 'node:fs';
import { codeOf } from '#contract/errors.ts';

export interface Stamped {
  /** Equal → nobody has written to it, and what kept this user from it keeps it still. */
  stamp: string;
  /** Absent: this user may not enter its directory, or it cannot be read for another reason. */
  stats?: Stats;
}

export type FileIdentity = Pick<Stats, 'ino' | 'size' | 'mtimeMs' | 'ctimeMs'>;

/** Equal → nobody has written to the file, replaced it, or changed its mode or owner. */
export function stampOf({ ino, size, mtimeMs, ctimeMs }: FileIdentity): string {
  return `${ino} ${size} ${mtimeMs} ${ctimeMs}`;
}

/**
 * Never throws: a file of another program that this user may not see is no reason to look at none.
 * @param isBehindLinks of what a link leads to
 * @returns undefined if there is none
 */
export function stampAt(path: string, isBehindLinks = false): Stamped | undefined {
  const stats = lookAt(path, isBehindLinks);
  if (stats === undefined) return undefined;
  return typeof stats === 'string' ? { stamp: stats } : { stamp: stampOf(stats), stats };
}

/** As stampAt(), of many files: as numbers, since a stamp takes longer than the look. @returns a text for what cannot be looked at */
export function lookAt(path: string, isBehindLinks = false): Stats | string | undefined {
  try {
    // To throw costs more than the stat, and many files may be missing.
    return (isBehindLinks ? statSync : lstatSync)(path, { throwIfNoEntry: false });
  } catch (error) {
    const code = codeOf(error);
    return code === 'ENOTDIR' ? undefined : `unreadable ${code}`;
  }
}
