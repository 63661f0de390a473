/**
 * An advisory lock on a file by flock(1) of util-linux: the kernel drops it when the holder dies, even by
 * kill -9, so there are no stale locks. Node has no flock of its own: a small child process holds it.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { open, readFile, stat } from 'node:fs/promises';
import { BucketError } from '#contract/errors.ts';

/** flock's own exit status for "not in time" (`-E`). */
const NOT_IN_TIME = 75;

/**
 * Runs `work` while this process alone holds `path` (created if absent; a directory is locked as it is).
 * @throws BucketError `ERR_BUCKET_LOCK` if others hold the lock for `timeoutMs`, or flock(1) is missing
 */
export async function withFileLock<T>(path: string, timeoutMs: number, work: () => Promise<T>): Promise<T> {
  const release = await takeFileLock(path, timeoutMs);
  try {
    return await work();
  } finally {
    await release();
  }
}

/**
 * Takes the lock.
 * @returns what releases it
 * @throws BucketError `ERR_BUCKET_LOCK`
 */
export async function takeFileLock(path: string, timeoutMs: number): Promise<() => Promise<void>> {
  const holder = await acquire(path, timeoutMs);
  return () => release(holder);
}

export interface LockHolder {
  pid: number;
  /** `undefined`: this user may not see whose process it is. */
  uid: number | undefined;
}

/** @returns who holds flock on a file; `undefined`: nobody, or a process that /proc does not show (another container) */
export async function lockHolderOf(path: string): Promise<LockHolder | undefined> {
  const { ino } = await stat(path);
  const locks = await readFile('/proc/locks', 'utf8').catch(() => '');
  // proc_locks(5): "1: FLOCK  ADVISORY  WRITE 712 08:01:1835017 0 EOF"; a line with "->" waits.
  const held = locks.split('\n').map((line) => /^\d+: FLOCK +\S+ +\S+ +(\d+) \S+:(\d+) /.exec(line));
  const pid = Number(held.find((match) => match?.[2] === String(ino))?.[1] ?? 0);
  if (pid <= 0) return undefined;
  const uid = await stat(`/proc/${pid}`).then(
    (stats) => stats.uid,
    () => undefined,
  );
  return { pid, uid };
}

async function acquire(path: string, timeoutMs: number): Promise<ChildProcess> {
  await prepare(path);
  const seconds = String(timeoutMs / 1000);
  // `cat` ends when our end of the pipe closes: on release, and when we die.
  const args = [
    '--exclusive',
    '--wait',
    seconds,
    '-E',
    String(NOT_IN_TIME),
    path,
    '-c',
    'echo locked; exec cat',
  ];
  const holder = spawn('flock', args, { stdio: ['pipe', 'pipe', 'ignore'], env: { PATH: '/usr/bin:/bin' } });
  holder.stdin.on('error', () => undefined);
  const outcome = await Promise.race([
    once(holder.stdout, 'data').then(() => 'locked' as const),
    // once() rejects if the holder emits `error`: it could not be started.
    once(holder, 'exit').then(
      ([status]) => status as number | null,
      (error: unknown) => error as Error,
    ),
  ]);
  if (outcome === 'locked') return holder;
  if (outcome instanceof Error) {
    const hint = 'cannot run flock; install util-linux';
    throw new BucketError('ERR_BUCKET_LOCK', path, hint, { cause: outcome });
  }
  const seen =
    outcome === NOT_IN_TIME
      ? `is held by another process for ${seconds} s${await describeHolder(path)}`
      : `flock ended with ${outcome}`;
  throw new BucketError('ERR_BUCKET_LOCK', path, seen);
}

async function describeHolder(path: string): Promise<string> {
  const holder = await lockHolderOf(path);
  if (holder === undefined) return '';
  const command = await readFile(`/proc/${holder.pid}/comm`, 'utf8').catch(() => '');
  const program = command === '' ? '' : `, ${command.trim()}`;
  const user = holder.uid === undefined ? '' : `, uid ${holder.uid}`;
  return ` (pid ${holder.pid}${program}${user})`;
}

async function release(holder: ChildProcess): Promise<void> {
  const exited = holder.exitCode === null && holder.signalCode === null ? once(holder, 'exit') : undefined;
  holder.stdin?.end();
  await exited;
}

/** flock(1) would create the file by the umask, and every user who can read it could hold the lock. */
async function prepare(path: string): Promise<void> {
  try {
    await (await open(path, 'a', 0o600)).close();
  } catch (error) {
    // A directory is locked as it is.
    if ((error as NodeJS.ErrnoException).code !== 'EISDIR') throw error;
  }
}
