/** What a stat tells of a file between two passes. */
import { lstatSync, type Stats, statSync } from 'node:fs';
import { codeOf } from '#contract/errors.ts';
import { stampOf } from '../deploy/disk.ts';

export interface Stamped {
  /** Equal → nobody has written to it, and what kept this user from it keeps it still. */
  stamp: string;
  /** Absent: this user may not enter its directory, or it cannot be read for another reason. */
  stats?: Stats;
}

/**
 * Never throws: a file of another program that this user may not see is no reason to look at none.
 * @param isBehindLinks of what a link leads to
 * @returns undefined if there is none
 */
export function stampAt(path: string, isBehindLinks = false): Stamped | undefined {
  try {
    const stats = isBehindLinks ? statSync(path) : lstatSync(path);
    return { stamp: stampOf(stats), stats };
  } catch (error) {
    const code = codeOf(error);
    return code === 'ENOENT' || code === 'ENOTDIR' ? undefined : { stamp: `unreadable ${code}` };
  }
}
