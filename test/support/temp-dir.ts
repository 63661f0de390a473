/**
 * Temporary folders of parts. Short names, because the path of a Unix socket has at most 107 bytes.
 *
 * A test's `after` hooks run in the order of their registration, and one that throws keeps the others from running: a
 * folder that went in its own hook went before the parts that write into it, and what they wrote meanwhile kept them
 * from being stopped. So the folder of a test goes when all its hooks have run, and what cannot be removed yet is left
 * to the end of the process, when every part has ended; there it is an error.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { asRoot } from './as-root.ts';

export interface TempDir {
  path: string;
  /** Now, or at the end of the process if something still writes into it. */
  remove(): void;
}

/** All that are there. */
const existing = new Set<string>();
/** Those of tests that are over, or about to be. */
const left = new Set<string>();

export function makeTempDir(): TempDir {
  removeLeft();
  const path = mkdtempSync('/tmp/pf-');
  existing.add(path);
  return { path, remove: () => removeOrLeave(path) };
}

/** @returns the path of one that goes when the test and its parts are over */
export function tempDir(t: Pick<TestContext, 'after'>): string {
  const { path } = makeTempDir();
  t.after(() => void left.add(path));
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

function removeLeft(): void {
  for (const path of left) removeOrLeave(path);
}

function removeOrLeave(path: string): void {
  left.delete(path);
  try {
    erase(path, 0);
    existing.delete(path);
  } catch {
    // `existing` still has it: the end of the process tries again, and fails if it must.
  }
}

process.on('exit', () => {
  const problems: unknown[] = [];
  for (const path of existing) {
    try {
      // A program that has just been killed may still be ending.
      erase(path, 10);
    } catch (error) {
      problems.push(error);
    }
  }
  if (problems.length > 0) throw new AggregateError(problems, 'temporary folders are left behind');
});

/** Also what a program of another user has written. */
function erase(path: string, maxRetries: number): void {
  try {
    rmSync(path, { recursive: true, force: true, maxRetries, retryDelay: 50 });
  } catch (error) {
    if (!['EACCES', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    asRoot('rm', '-rf', path);
  }
}
