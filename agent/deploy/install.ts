/**
 * Writes a combined PEM into HAProxy's directory, whole or not at all. The previous content stays beside it in a
 * dot-file (which HAProxy skips) until HAProxy has taken the new one, so that a refusal, even after a kill, restores it.
 */
import { link, readdir, rename, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { replaceFile, syncDirectory, TEMP_SUFFIX } from '#storage/atomic-file.ts';
import type { AgentConfig } from '../config/config.ts';
import { HostError } from '../errors.ts';
import type { PemMode } from './disk.ts';

const PREVIOUS_SUFFIX = '.pemfleet-previous';

/** @throws HostError `ERR_INSTALL`: the disk is full, a directory has that name; each pass tries again */
export async function install(path: string, body: Buffer, { mode, uid, gid }: PemMode): Promise<void> {
  const owner = { ...(uid === undefined ? {} : { uid }), ...(gid === undefined ? {} : { gid }) };
  try {
    await keepPrevious(path);
    await replaceFile(path, body, { mode, ...owner });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new HostError('ERR_INSTALL', `${path} cannot be written (${code})`, { cause: error });
  }
}

/**
 * Restores the file as it was before `install`. Where there was none, `orRemove` decides: a file that HAProxy refuses
 * would stop its next start.
 */
export async function restorePreviousFile(path: string, orRemove: boolean): Promise<void> {
  const hadPrevious = await rename(previousOf(path), path).then(() => true, missingAsFalse);
  if (!hadPrevious && orRemove) await unlink(path).catch(missingAsFalse);
  // rename(2) does nothing between two links of one file, so the second name may still be there.
  await dropPrevious(path);
  await syncDirectory(dirname(path));
}

export async function dropPrevious(path: string): Promise<void> {
  await unlink(previousOf(path)).catch(missingAsFalse);
}

export async function removeDurably(path: string): Promise<void> {
  await unlink(path).catch(missingAsFalse);
  await syncDirectory(dirname(path));
}

/** Like `removeDurably`, but `restorePreviousFile` can undo it. */
export async function setAside(path: string): Promise<void> {
  await keepPrevious(path);
  await removeDurably(path);
}

/** Directories that may hold temporary files. */
export function writtenDirectories({
  haproxy: { certsDir, crtListFile },
  stateDir,
}: AgentConfig): Set<string> {
  return new Set([certsDir, stateDir, ...(crtListFile ? [dirname(crtListFile)] : [])]);
}

/** Removes what a killed run was writing. To call under the lock: then no such file is in use. */
export async function sweepTemps(directories: Iterable<string>): Promise<number> {
  let count = 0;
  for (const directory of directories) count += await sweep(directory, (name) => name.endsWith(TEMP_SUFFIX));
  return count;
}

/** Removes previous contents, except those of files whose loading is not decided yet. */
export async function sweepPrevious(certsDir: string, except: ReadonlySet<string>): Promise<void> {
  const kept = new Set([...except].map((file) => basename(previousOf(file))));
  await sweep(certsDir, (name) => name.endsWith(PREVIOUS_SUFFIX) && !kept.has(name));
}

function previousOf(path: string): string {
  return join(dirname(path), `.${basename(path)}${PREVIOUS_SUFFIX}`);
}

/** A previous content that is there already stays: it is the last that HAProxy has taken. */
async function keepPrevious(path: string): Promise<void> {
  await link(path, previousOf(path)).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT' && error.code !== 'EEXIST') throw error;
  });
}

async function sweep(directory: string, isStale: (name: string) => boolean): Promise<number> {
  const names = (await readdir(directory).catch(missingAsFalse)) || [];
  const stale = names.filter((name) => name.startsWith('.') && isStale(name));
  for (const name of stale) await unlink(join(directory, name)).catch(missingAsFalse);
  return stale.length;
}

function missingAsFalse(error: NodeJS.ErrnoException): false {
  if (error.code !== 'ENOENT') throw error;
  return false;
}
