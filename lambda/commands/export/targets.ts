/** The files of `pemfleet export`: what may be written where, and that it is there whole or not at all. */
import { lstatSync, readFileSync, type Stats } from 'node:fs';
import { createFile, replaceFile } from '#storage/atomic-file.ts';
import { CommandRefused } from '../undo/refused.ts';

const MODE = 0o600;
/** More than a chain, a key or both. */
const MAX_BYTES = 1024 * 1024;

/** @param force it may replace a file. @throws CommandRefused where nothing can be written there */
export function refuseTarget(file: string, body: string | undefined, force: boolean): void {
  const stats = statsOf(file);
  if (stats === undefined) return;
  if (!stats.isFile()) {
    throw new CommandRefused(
      `${file}: wanted a new or a regular file, saw ${kindOf(stats)}: name another one; - writes to standard output`,
    );
  }
  if (force || (body !== undefined && holds(file, stats, body))) return;
  throw new CommandRefused(`${file} is there already, and nothing is written: --force replaces it`);
}

/** @returns false: it is there as it should be. @throws CommandRefused */
export async function writeTarget(file: string, body: string | Buffer, force: boolean): Promise<boolean> {
  const stats = statsOf(file);
  if (stats !== undefined && typeof body === 'string' && holds(file, stats, body)) return false;
  // Whose it was he keeps: root renews it for a program of another user.
  const isRoots = process.geteuid?.() === 0 && stats !== undefined;
  const options = { mode: MODE, ...(isRoots && { uid: stats.uid, gid: stats.gid }) };
  try {
    if (force) await replaceFile(file, body, options);
    else if (!(await createFile(file, body, options))) refuseTarget(file, undefined, false);
  } catch (error) {
    if (error instanceof CommandRefused) throw error;
    const { code } = error as NodeJS.ErrnoException;
    throw new CommandRefused(
      `${file}: cannot be written (${code}): does its directory exist, and is it yours?`,
    );
  }
  return true;
}

/** By nobody else to be read, with this content. */
function holds(file: string, stats: Stats, body: string): boolean {
  const isOurs = stats.isFile() && (stats.mode & 0o777) === MODE && stats.size <= MAX_BYTES;
  return isOurs && stats.size === Buffer.byteLength(body) && readFileSync(file, 'utf8') === body;
}

function kindOf(stats: Stats): string {
  if (stats.isSymbolicLink()) return 'a symbolic link';
  return stats.isDirectory() ? 'a directory' : 'a device, a pipe or a socket';
}

function statsOf(file: string): Stats | undefined {
  try {
    return lstatSync(file);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    throw new CommandRefused(`${file}: cannot be written (${code})`);
  }
}
