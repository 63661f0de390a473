/** Two runs of init, adopt or go-live at once would take each other's changes for their own, and take them back. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { open, rm, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { SECOND_MS } from '#common/time.ts';
import { BucketError, codeOf, messageOf } from '#contract/errors.ts';
import { type FileLock, takeFileLock } from '#storage/file-lock.ts';
import { Unplannable } from '../plan/haproxy-config.ts';

/** Somebody may sit before a question of the other run: nobody waits for its end. */
const WAIT_MS = SECOND_MS;
/** Whoever finds the directory there has what is around it for moments only. */
const WAIT_AROUND_MS = 10 * SECOND_MS;
/** Root's lock is a file that nobody else can open: whoever can open what is locked can lock it, too. */
const RUN_DIRECTORY = '/run';

type Held = Pick<FileLock, 'release'>;

/**
 * @param values of the command line: pemfleet.yaml; a dry run needs no lock
 * @throws Unplannable where another run is at work: nothing of `work` was begun
 */
export async function aloneAtSetup<T>(
  { config, 'dry-run': dryRun }: { config: string; 'dry-run': boolean },
  work: () => Promise<T>,
  { uid = process.getuid?.(), runDirectory = RUN_DIRECTORY } = {},
): Promise<T> {
  if (dryRun) return work();
  const home = resolve(dirname(config));
  const held = await (uid === 0 ? holdFile(join(runDirectory, lockNameOf(home))) : holdDirectory(home));
  try {
    return await work();
  } finally {
    await held.release();
  }
}

function lockNameOf(home: string): string {
  const id = createHash('sha256').update(home).digest('hex').slice(0, 16);
  return `pemfleet-setup-${id}.lock`;
}

/** It goes with the lock; who has waited for one that is gone begins anew. */
async function holdFile(file: string): Promise<Held> {
  for (;;) {
    const inode = await makeFile(file);
    const lock = await take(file, WAIT_MS);
    if ((await inodeOf(file)) === inode) {
      return { release: () => rm(file, { force: true }).finally(() => lock.release()) };
    }
    await lock.release();
  }
}

async function makeFile(file: string): Promise<number> {
  const handle = await open(file, 'a', 0o600);
  try {
    return (await handle.stat()).ino;
  } finally {
    await handle.close();
  }
}

async function inodeOf(file: string): Promise<number | undefined> {
  try {
    return (await stat(file)).ino;
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
    return undefined;
  }
}

/** Somebody's own files: where the directory of pemfleet.yaml is missing, what is around it, because the run may make it. */
async function holdDirectory(home: string): Promise<Held> {
  const around = await take(nearestThere(dirname(home)), WAIT_AROUND_MS);
  if (!existsSync(home)) return around;
  return take(home, WAIT_MS).finally(() => around.release());
}

const nearestThere = (path: string): string => (existsSync(path) ? path : nearestThere(dirname(path)));

async function take(path: string, waitMs: number): Promise<FileLock> {
  try {
    return await takeFileLock(path, waitMs);
  } catch (error) {
    if (!(error instanceof BucketError)) throw error;
    throw new Unplannable(
      `wanted to be the only init, adopt or go-live at work, saw ${messageOf(error)}: let that end, or mend it, then type this again; nothing was changed`,
      { cause: error },
    );
  }
}
