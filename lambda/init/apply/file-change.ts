/** Files that init writes: what was there before is kept, and can be put back byte by byte. */
import { createHash } from 'node:crypto';
import { lstatSync } from 'node:fs';
import { chown, mkdir, readdir, realpath, rm, rmdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { readRegularFile, replaceFile, tempTargetOf } from '#storage/atomic-file.ts';

const MAX_BYTES = 50_000_000;

export interface FileAttributes {
  mode: number;
  uid: number;
  gid: number;
}

/** A file as it is to be; without `body`: gone. */
export interface FileChange extends FileAttributes {
  path: string;
  body: Buffer | undefined;
}

export interface DirectoryChange extends FileAttributes {
  path: string;
}

export interface FileState extends FileAttributes {
  body: Buffer;
}

export const sha256Of = (body: Buffer | undefined): string =>
  body === undefined ? 'none' : createHash('sha256').update(body).digest('hex');

/** @returns undefined: there is no such file */
export async function readState(path: string): Promise<FileState | undefined> {
  try {
    const body = await readRegularFile(path, MAX_BYTES);
    const { mode, uid, gid } = await stat(path);
    return { body, mode: mode & 0o7777, uid, gid };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** What is that way already stays: it may be where nobody can write. */
export async function putInPlace({ path, body, mode, uid, gid }: FileChange): Promise<void> {
  const state = await readState(path);
  const isSame = state && body && state.body.equals(body);
  if (isSame && state.mode === mode && state.uid === uid && state.gid === gid) return;
  if (body === undefined) await rm(path, { force: true });
  else await replaceFile(await targetOf(path), body, { mode, uid, gid });
}

/** A link stays one: what it names changes. */
const targetOf = (path: string): Promise<string> =>
  realpath(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return path;
    throw error;
  });

/** What `makeDirectories` will make: with their parents, the outermost first. */
export function missingDirectories(wanted: readonly Pick<DirectoryChange, 'path'>[]): string[] {
  const missing = wanted.flatMap(({ path }) => [...missingParents(path), ...(exists(path) ? [] : [path])]);
  return [...new Set(missing)];
}

/** Their parents belong to root. */
export async function makeDirectories(wanted: readonly DirectoryChange[]): Promise<void> {
  for (const { path, mode, uid, gid } of wanted) {
    for (const parent of missingParents(path)) await mkdir(parent, { mode: 0o755 });
    if (exists(path)) continue;
    await mkdir(path, { mode });
    await chown(path, uid, gid);
  }
}

function missingParents(path: string): string[] {
  const parent = dirname(path);
  return exists(parent) ? [] : [...missingParents(parent), parent];
}

function exists(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

/** What a program that was killed while it wrote these files has left beside them. */
export async function sweepTempsOf(paths: readonly string[]): Promise<void> {
  const wanted = new Set(paths);
  for (const directory of new Set(paths.map((path) => dirname(path)))) {
    const names = await readdir(directory).catch(noneIfMissing);
    for (const name of names) {
      const file = tempTargetOf(name);
      if (file !== undefined && wanted.has(join(directory, file))) await rm(join(directory, name));
    }
  }
}

function noneIfMissing(error: NodeJS.ErrnoException): string[] {
  if (error.code !== 'ENOENT') throw error;
  return [];
}

/** @returns those that stay, because somebody has put files there */
export async function removeDirectories(made: readonly string[]): Promise<string[]> {
  const kept: string[] = [];
  for (const path of [...made].reverse()) {
    await rmdir(path).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return;
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EBUSY') throw error;
      kept.push(path);
    });
  }
  return kept;
}
