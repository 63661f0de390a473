/** What is in HAProxy's directory: only our own files are ever opened. */
import { constants, lstatSync, readFileSync } from 'node:fs';
import { access, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { digest } from '#contract/combined-pem.ts';
import { HostError } from '../errors.ts';
import type { DiskFile } from './action.ts';

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

/** Signals, the watchdog and HAProxy's answers, which have a deadline, are heard in between. */
const AT_A_STRETCH = 10;

/**
 * Read without the thread pool: small files in the page cache, of which 10,000 would cost seconds of processor time
 * there and a tenth of it here.
 */
export async function viewDisk(
  certsDir: string,
  files: Iterable<string>,
  pem: PemMode,
): Promise<Map<string, DiskFile>> {
  const names = new Set(await readdir(certsDir).catch(missingAsEmpty));
  const there = [...files].filter((file) => names.has(file));
  const seen = new Map<string, DiskFile>();
  for (const [index, file] of there.entries()) {
    if (index % AT_A_STRETCH === 0) await setImmediate();
    const found = viewFile(join(certsDir, file), pem);
    if (found !== undefined) seen.set(file, found);
  }
  return seen;
}

function viewFile(path: string, pem: PemMode): DiskFile | undefined {
  try {
    return { sha256: digest(readFileSync(path)), isGuarded: isGuarded(path, pem) };
  } catch (error) {
    const isGone = (error as NodeJS.ErrnoException).code === 'ENOENT';
    return isGone ? undefined : { sha256: '', isGuarded: false };
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
