/** What is in HAProxy's directory: only our own files are ever opened. */
import { constants } from 'node:fs';
import { access, lstat, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { digest } from '#contract/combined-pem.ts';
import { HostError } from './errors.ts';

export interface PemMode {
  mode: number;
  uid: number | undefined;
  gid: number | undefined;
}

export interface DiskFile {
  /** Empty: it cannot be read (a directory, a loop of links); installing says why. */
  sha256: string;
  /** A plain file with the configured mode and owner. */
  isGuarded: boolean;
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

export async function viewDisk(
  certsDir: string,
  files: Iterable<string>,
  pem: PemMode,
): Promise<Map<string, DiskFile>> {
  const seen = new Map<string, DiskFile>();
  for (const file of files) {
    const path = join(certsDir, file);
    const body = await readFile(path).catch((error: NodeJS.ErrnoException) => error);
    if (Buffer.isBuffer(body))
      seen.set(file, { sha256: digest(body), isGuarded: await isGuarded(path, pem) });
    else if (body.code !== 'ENOENT') seen.set(file, { sha256: '', isGuarded: false });
  }
  return seen;
}

async function isGuarded(path: string, { mode, uid, gid }: PemMode): Promise<boolean> {
  const stats = await lstat(path);
  const isOwned = (uid ?? stats.uid) === stats.uid && (gid ?? stats.gid) === stats.gid;
  return stats.isFile() && (stats.mode & 0o777) === mode && isOwned;
}
