// Temporary folders of parts. Short names, because the path of a Unix socket has at most 107 bytes.
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';

export interface TempDir {
  path: string;
  remove(): void;
}

export function makeTempDir(): TempDir {
  const path = mkdtempSync('/tmp/pf-');
  const remove = () => {
    process.off('exit', remove);
    // A program of the test that is still ending may write into it.
    rmSync(path, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
  };
  process.on('exit', remove);
  return { path, remove };
}

/**
 * Hooks run in the order in which they were registered, and one that throws keeps the others from running: a folder that a program still
 * writes to goes when the process ends, so that the hook that ends the program is reached.
 * @returns the path of one that goes with the test
 */
export function tempDir(t: Pick<TestContext, 'after'>): string {
  const { path, remove } = makeTempDir();
  t.after(() => {
    try {
      rmSync(path, { recursive: true, force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOTEMPTY') return;
      throw error;
    }
    process.off('exit', remove);
  });
  return path;
}

/** @returns gives the path of a file that does not exist, another one each time */
export function makeFileNames(suffix: string): () => string {
  const { path } = makeTempDir();
  let files = 0;
  return () => {
    files += 1;
    return join(path, `${files}${suffix}`);
  };
}
