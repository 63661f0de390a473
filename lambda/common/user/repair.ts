/**
 * What `doctor --fix` changes as root. A directory of another user is no place to trust: between two looks its owner may put a link where a
 * file was. So each file is opened without following links, and only what then still lies where it was found, under one name, is changed.
 */
import { constants } from 'node:fs';
import { type FileHandle, mkdir, open, readlink, realpath } from 'node:fs/promises';
import { relative } from 'node:path';
import { userName } from './accounts.ts';

/** One file or directory to change: its owner, its mode, or both; `isNew`: a directory to make. */
export interface Repair {
  path: string;
  /** Directory outside of which nothing is changed: it holds `path`, or is it. */
  within: string;
  owner?: { uid: number; gid: number };
  mode?: number;
  isNew?: boolean;
}

/** As people read it. */
export function repairText({ path, owner, mode, isNew }: Repair): string {
  const bits = mode === undefined ? [] : [`mode ${mode.toString(8).padStart(4, '0')}`];
  const whose = owner === undefined ? [] : [`owner ${userName(owner.uid)}`];
  return `${isNew ? 'makes ' : ''}${path}: ${[...whose, ...bits].join(', ')}`;
}

/** It is not what was found, or what must not be changed; the message says which. */
class RepairRefused extends Error {
  override name = 'RepairRefused';
  readonly code = 'ERR_USER';
}

/** @throws RepairRefused, or what open(2), chown(2) and mkdir(2) throw */
export async function applyRepair(repair: Repair): Promise<void> {
  if (repair.isNew) await mkdir(repair.path, { mode: 0o700 });
  // A FIFO does not hold it up.
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const handle = await open(repair.path, flags);
  try {
    await refuseOther(handle, repair);
    const { owner, mode } = repair;
    if (owner !== undefined) await handle.chown(owner.uid, owner.gid);
    if (mode !== undefined) await handle.chmod(mode);
  } finally {
    await handle.close();
  }
}

async function refuseOther(handle: FileHandle, { path, within }: Repair): Promise<void> {
  const stats = await handle.stat();
  if (!stats.isFile() && !stats.isDirectory()) throw new RepairRefused(`${path} is no plain file`);
  if (stats.isFile() && stats.nlink > 1) {
    throw new RepairRefused(`${path} has ${stats.nlink} names: another directory may have it, too`);
  }
  // Where the opened file is now, whatever its path has become meanwhile.
  const at = await readlink(`/proc/self/fd/${handle.fd}`);
  const root = await realpath(within);
  const below = relative(root, at);
  const isInside = below === '' || !(below.startsWith('..') || below.startsWith('/'));
  if (!isInside || below !== relative(within, path)) throw new RepairRefused(`${path} lies elsewhere: ${at}`);
}
