/** What HAProxy's directory holds of our files; others are never opened. */
import { constants, lstatSync, readFileSync } from 'node:fs';
import { access, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { digest } from '#contract/combined-pem.ts';
import { HostError } from '../errors.ts';
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
    const { code } = error as NodeJS.ErrnoException;
    const hint =
      code === 'ENOENT'
        ? 'does not exist: create it (install -d -m 0750) and give it to HAProxy as "crt"'
        : `cannot be written by this user (${code})`;
    throw new HostError('ERR_CERTS_DIRECTORY', `${certsDir} ${hint}`, { cause: error });
  }
}

/** After so many files, signals, the watchdog and HAProxy's answers, which have a deadline, get their time. */
const AT_A_STRETCH = 10;

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

function viewFile(path: string, pem: PemMode): DiskFile | undefined {
  try {
    const content = readFileSync(path);
    return { sha256: digest(content), names: leafNamesIn(content), isGuarded: isGuarded(path, pem) };
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    return isMissing ? undefined : { sha256: '', isGuarded: false };
  }
}

function isGuarded(path: string, { mode, uid, gid }: PemMode): boolean {
  const stats = lstatSync(path);
  const isOwned = (uid ?? stats.uid) === stats.uid && (gid ?? stats.gid) === stats.gid;
  return stats.isFile() && (stats.mode & 0o777) === mode && isOwned;
}

function missingAsEmpty(error: NodeJS.ErrnoException): string[] {
  if (error.code !== 'ENOENT') throw error;
  return [];
}
