/** What HAProxy's directory holds of our files; others are never opened. */
import { closeSync, constants, fstatSync, lstatSync, openSync, readSync, type Stats } from 'node:fs';
import { access, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { digest } from '#contract/combined-pem.ts';
import { HostError } from '../errors.ts';
import { ioProblem } from '../io-problem.ts';
import { stampOf } from '../state/stamp.ts';
import type { DiskFile } from './action.ts';
import { leafNamesIn } from './leaf-names.ts';

export interface PemMode {
  mode: number;
  uid: number | undefined;
  gid: number | undefined;
}

/** @throws HostError `ERR_CERTS_DIRECTORY` if files cannot be installed there */
export async function checkDirectory(certsDir: string): Promise<void> {
  try {
    await readdir(certsDir);
    await access(certsDir, constants.W_OK | constants.X_OK);
  } catch (error) {
    const hint = `the directory of the certificates cannot be written (${await ioProblem(certsDir, error)})`;
    throw new HostError('ERR_CERTS_DIRECTORY', hint);
  }
}

/** The directories that this user may read and write; the others say why when they are used. */
export async function writableAmong(directories: Iterable<string>): Promise<string[]> {
  const mode = constants.R_OK | constants.W_OK | constants.X_OK;
  const checked = await Promise.all(
    [...directories].map((directory) =>
      access(directory, mode).then(
        () => [directory],
        () => [],
      ),
    ),
  );
  return checked.flat();
}

/** After so many files, signals, the watchdog and HAProxy's answers, which have a deadline, get their time. */
export const AT_A_STRETCH = 10;

/**
 * Reads without the thread pool, where 10,000 small files of the page cache would cost seconds of processor time:
 * here they cost a tenth.
 */
export async function viewDisk(
  certsDir: string,
  files: Iterable<string>,
  pem: PemMode,
): Promise<Map<string, DiskFile>> {
  const names = new Set(await readdir(certsDir).catch(missingAsEmpty));
  const present = [...files].filter((file) => names.has(file));
  const disk = new Map<string, DiskFile>();
  for (const [index, file] of present.entries()) {
    if (index % AT_A_STRETCH === 0) await setImmediate();
    const view = viewFile(join(certsDir, file), pem);
    if (view !== undefined) disk.set(file, view);
  }
  return disk;
}

/** No PEM is larger. */
export const MAX_READ_BYTES = 4 * 1024 * 1024;
/** Never through a link, and never waiting for the writer of a pipe. */
export const READ_PLAINLY = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

export function readPlainFile(path: string): Buffer {
  const file = openSync(path, READ_PLAINLY);
  try {
    // From a pipe it would take what is meant for another program.
    const stats = fstatSync(file);
    if (!stats.isFile() || stats.size > MAX_READ_BYTES) throw new TypeError(`${path} is no plain file`);
    const body = Buffer.alloc(stats.size);
    // No more than it had: it may grow meanwhile.
    return body.subarray(0, readSync(file, body, 0, body.length, 0));
  } finally {
    closeSync(file);
  }
}

/** @returns undefined if there is none */
export function viewFile(path: string, pem: PemMode): DiskFile | undefined {
  try {
    const stats = lstatSync(path);
    const stamp = stampOf(stats);
    if (!stats.isFile() || stats.size > MAX_READ_BYTES) return { sha256: '', isGuarded: false, stamp };
    const content = readPlainFile(path);
    const facts = { sha256: digest(content), names: leafNamesIn(content) };
    return { ...facts, isGuarded: isGuarded(stats, pem), stamp };
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    return isMissing ? undefined : { sha256: '', isGuarded: false };
  }
}

function isGuarded(stats: Stats, { mode, uid, gid }: PemMode): boolean {
  const isOwned = (uid ?? stats.uid) === stats.uid && (gid ?? stats.gid) === stats.gid;
  return (stats.mode & 0o777) === mode && isOwned;
}

function missingAsEmpty(error: NodeJS.ErrnoException): string[] {
  if (error.code !== 'ENOENT') throw error;
  return [];
}
