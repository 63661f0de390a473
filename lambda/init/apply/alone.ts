/** Two runs of init, adopt or go-live at once would take each other's changes for their own, and take them back. */
import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { SECOND_MS } from '#common/time.ts';
import { BucketError, messageOf } from '#contract/errors.ts';
import { type FileLock, takeFileLock } from '#storage/file-lock.ts';
import { Unplannable } from '../plan/haproxy-config.ts';

/** Somebody may sit before a question of the other run: nobody waits for its end. */
const WAIT_MS = SECOND_MS;
/** Whoever finds the directory there has what is around it for moments only. */
const WAIT_AROUND_MS = 10 * SECOND_MS;

/**
 * Holds the directory of pemfleet.yaml; where it is missing, what is around it, because the run may make it.
 * @param values of the command line: pemfleet.yaml; a dry run needs no lock
 * @throws Unplannable where another run holds it: nothing of `work` was begun
 */
export async function aloneAtSetup<T>(
  { config, 'dry-run': dryRun }: { config: string; 'dry-run': boolean },
  work: () => Promise<T>,
): Promise<T> {
  if (dryRun) return work();
  const home = dirname(config);
  let lock = await take(nearestThere(dirname(home)), WAIT_AROUND_MS);
  try {
    if (existsSync(home)) {
      const around = lock;
      lock = await take(home, WAIT_MS).finally(() => around.release());
    }
    return await work();
  } finally {
    await lock.release();
  }
}

const nearestThere = (path: string): string => (existsSync(path) ? path : nearestThere(dirname(path)));

async function take(directory: string, waitMs: number): Promise<FileLock> {
  try {
    return await takeFileLock(directory, waitMs);
  } catch (error) {
    if (!(error instanceof BucketError)) throw error;
    throw new Unplannable(
      `wanted to be the only init, adopt or go-live at work, saw ${messageOf(error)}: let that end, or mend it, then type this again; nothing was changed`,
      { cause: error },
    );
  }
}
