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

/** @returns the path of one that goes with the test */
export function tempDir(t: Pick<TestContext, 'after'>): string {
  const { path, remove } = makeTempDir();
  t.after(remove);
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
