/**
 * An advisory lock on a file by flock(1) of util-linux: the kernel drops it when the holder dies, even by
 * kill -9, so there are no stale locks. Node has no flock of its own: a small child process holds it. What asks a service or a
 * terminal's programs to end does not end it: whoever works under the lock comes to an end first.
 */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { open, readFile, stat } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { startProgram } from '#common/program/start-program.ts';
import { SECOND_MS } from '#common/time.ts';
import { BucketError } from '#contract/errors.ts';

/** flock's own exit status for "not in time" (`-E`). */
const NOT_IN_TIME = 75;

/**
 * Runs `work` while this process alone holds `path` (created if absent; a directory is locked as it is).
 * @throws BucketError `ERR_BUCKET_LOCK` if others hold the lock for `timeoutMs`, or flock(1) is missing
 */
export async function withFileLock<T>(path: string, timeoutMs: number, work: () => Promise<T>): Promise<T> {
  const lock = await takeFileLock(path, timeoutMs);
  try {
    return await work();
  } finally {
    await lock.release();
  }
}

export interface FileLock {
  /** False: the program that holds it has ended, so that others may have it. */
  readonly isHeld: boolean;
  release: () => Promise<void>;
}

/**
 * Takes the lock.
 * @throws BucketError `ERR_BUCKET_LOCK`
 */
export async function takeFileLock(path: string, timeoutMs: number): Promise<FileLock> {
  const holder = await acquire(path, timeoutMs);
  return {
    get isHeld() {
      return isRunning(holder);
    },
    release: () => release(holder),
  };
}

/** To take the lock costs some ten milliseconds of processor time. */
const LINGER_MS = 50;
/** Other processes wait for it. */
const LONGEST_HELD_MS = SECOND_MS;

interface WaitingWork {
  run: () => Promise<void>;
  reject: (error: unknown) => void;
  sinceMs: number;
}

/** A lock that is kept for the work that comes within moments, because taking it starts programs. */
export class LingeringLock {
  readonly #path: string;
  readonly #timeoutMs: number;
  #waiting: WaitingWork[] = [];
  #isBusy = false;
  /** Ends the wait for more work. */
  #wake: () => void = () => undefined;
  /** When it was held last: what waited for our own work has not waited for others. */
  #heldAtMs = 0;

  /** @param timeoutMs so long each work waits for other processes */
  constructor(path: string, timeoutMs: number) {
    this.#path = path;
    this.#timeoutMs = timeoutMs;
  }

  /** One after the other. @throws BucketError `ERR_BUCKET_LOCK`, or what `work` throws */
  whileHeld<T>(work: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const run = () => work().then(resolve, reject);
      this.#waiting.push({ run, reject, sinceMs: performance.now() });
      this.#wake();
      if (!this.#isBusy) void this.#workOff();
    });
  }

  async #workOff(): Promise<void> {
    this.#isBusy = true;
    for (let [oldest] = this.#waiting; oldest !== undefined; [oldest] = this.#waiting) {
      const leftMs = this.#timeoutMs - this.#waitedMs(oldest);
      try {
        const lock = await takeFileLock(this.#path, Math.ceil(Math.max(leftMs, LONGEST_HELD_MS)));
        await this.#workUnder(lock).finally(lock.release);
      } catch (error) {
        this.#rejectLate(error);
      }
    }
    this.#isBusy = false;
  }

  /** The oldest, and who has waited as long as anybody waits: the others have time left. */
  #rejectLate(error: unknown): void {
    const count = this.#waiting.findIndex((one) => this.#waitedMs(one) < this.#timeoutMs);
    const late = this.#waiting.splice(0, count === -1 ? this.#waiting.length : Math.max(count, 1));
    for (const { reject } of late) reject(error);
  }

  #waitedMs({ sinceMs }: WaitingWork): number {
    return performance.now() - Math.max(sinceMs, this.#heldAtMs);
  }

  async #workUnder(lock: FileLock): Promise<void> {
    const untilMs = performance.now() + LONGEST_HELD_MS;
    while (lock.isHeld && performance.now() < untilMs) {
      const next = this.#waiting.shift();
      if (next === undefined) break;
      await next.run();
      if (this.#waiting.length === 0) await this.#linger();
      this.#heldAtMs = performance.now();
    }
  }

  /** Until there is work, or for a moment. */
  #linger(): Promise<void> {
    return new Promise((resolve) => {
      const moment = setTimeout(resolve, LINGER_MS);
      this.#wake = () => {
        clearTimeout(moment);
        resolve();
      };
    });
  }
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
  // `cat` ends when our end of the pipe closes: on release, and when we die. It is flock's own process (util-linux 2.31 or newer).
  const args = [
    '--exclusive',
    '--no-fork',
    '--wait',
    seconds,
    '-E',
    String(NOT_IN_TIME),
    path,
    '-c',
    "trap '' TERM INT HUP; echo locked; exec cat",
  ];
  const holder = await startProgram('flock', args, {
    stdio: ['pipe', 'pipe', 'ignore'],
    env: { PATH: '/usr/bin:/bin' },
  }).catch((cause: NodeJS.ErrnoException) => {
    const why = cause.code === 'ENOENT' ? 'install util-linux' : cause.code;
    throw new BucketError('ERR_BUCKET_LOCK', path, `cannot run flock; ${why}`, { cause });
  });
  holder.stdin?.on('error', () => undefined);
  const outcome = await Promise.race([
    once(holder.stdout as Readable, 'data').then(() => 'locked' as const),
    once(holder, 'exit').then(([status, signal]) => (status ?? signal) as number | NodeJS.Signals),
  ]);
  if (outcome === 'locked') return holder;
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

const isRunning = ({ exitCode, signalCode }: ChildProcess) => exitCode === null && signalCode === null;

async function release(holder: ChildProcess): Promise<void> {
  const exited = isRunning(holder) ? once(holder, 'exit') : undefined;
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
