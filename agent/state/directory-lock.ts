/**
 * One pass at a time on HAProxy's directory, whatever the settings of the agents: two writers mix up certificates. The
 * lock is a dot-file that only those can open who may write to the directory. A directory that others may read could be
 * locked by anybody; its own lock, which former agents take alone, is therefore waited for only if an agent holds it.
 */
import { constants } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { SECOND_MS } from '#common/time.ts';
import { codeOf } from '#contract/errors.ts';
import { type LockHolder, lockHolderOf, takeFileLock, withFileLock } from '#storage/file-lock.ts';
import type { Log } from '../log.ts';

/** HAProxy skips it. It stays: a lock on a file that is removed would be a lock on nothing. */
export const LOCK_FILE = '.pemfleet-lock';

/** So long is somebody waited for who cannot be seen (ProtectProc=, another container). */
const UNKNOWN_HOLDER_MS = 5 * SECOND_MS;
const TRY_MS = SECOND_MS / 2;

/** @throws BucketError `ERR_BUCKET_LOCK` if another agent holds the directory for `timeoutMs` */
export async function withDirectoryLock<T>(
  certsDir: string,
  { timeoutMs, log }: { timeoutMs: number; log: Log },
  work: () => Promise<T>,
): Promise<T> {
  const path = join(certsDir, LOCK_FILE);
  const whileLocked = async () => {
    const release = await takeFormerLock(certsDir, timeoutMs, log);
    try {
      return await work();
    } finally {
      await release();
    }
  };
  // Full, read-only, or another user's lock file: the lock of the directory itself is left, which every agent takes.
  if (!(await canOpenLock(path, certsDir))) return whileLocked();
  return withFileLock(path, timeoutMs, whileLocked);
}

/** Creates it for those who may write to the directory; root does not keep it for itself. */
async function canOpenLock(path: string, certsDir: string): Promise<boolean> {
  try {
    const handle = await open(path, 'ax', 0o600);
    try {
      const { uid, gid, mode } = await stat(certsDir);
      if (process.getuid?.() === 0) await handle.chown(uid, gid);
      // Who may write to the directory could replace the lock, too.
      if ((mode & 0o020) !== 0) await handle.chmod(0o660);
    } finally {
      await handle.close();
    }
    return true;
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') return false;
    return isPlainFile(path).catch(() => false);
  }
}

/** Opens it without waiting: a pipe of that name would hang the pass. */
async function isPlainFile(path: string): Promise<boolean> {
  const handle = await open(path, constants.O_WRONLY | constants.O_APPEND | constants.O_NONBLOCK);
  try {
    return (await handle.stat()).isFile();
  } finally {
    await handle.close();
  }
}

/** @returns what releases it; nothing is held if another program than an agent has it */
async function takeFormerLock(certsDir: string, timeoutMs: number, log: Log): Promise<() => Promise<void>> {
  const begin = performance.now();
  for (;;) {
    try {
      return (await takeFileLock(certsDir, TRY_MS)).release;
    } catch (error) {
      const waitedMs = performance.now() - begin;
      if (codeOf(error) !== 'ERR_BUCKET_LOCK' || waitedMs >= timeoutMs) throw error;
      const holder = await lockHolderOf(certsDir);
      if (await isAgent(holder, certsDir)) continue;
      if (holder?.uid === undefined && waitedMs < UNKNOWN_HOLDER_MS) continue;
      log('lock.ignored', { file: certsDir, pid: holder?.pid, uid: holder?.uid });
      return async () => undefined;
    }
  }
}

/** Root, this user, or the directory's owner: users that run agents on it. */
async function isAgent(holder: LockHolder | undefined, certsDir: string): Promise<boolean> {
  if (holder?.uid === undefined) return false;
  return [0, process.getuid?.(), (await stat(certsDir)).uid].includes(holder.uid);
}
