/**
 * Writes a combined PEM into HAProxy's directory, whole or not at all. The previous content stays beside it in a
 * dot-file (which HAProxy skips) until HAProxy has taken the new one, so that a refusal, even after a kill, restores it.
 */
import { access, link, lstat, open, readdir, rename, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { digest } from '#contract/combined-pem.ts';
import { isTempName, keptName, readRegularFile, replaceFile, syncDirectory } from '#storage/atomic-file.ts';
import type { AgentConfig } from '../config/config.ts';
import { ownerNameOf } from '../config/owner.ts';
import { HostError } from '../errors.ts';
import { ioProblem } from '../io-problem.ts';
import { shardFoldersIn } from '../state/state.ts';
import { MAX_READ_BYTES, type PemMode, READ_PLAINLY } from './disk.ts';

const PREVIOUS_SUFFIX = '.pemfleet-previous';
/** The digest of a content, or the inode of what could not be read. */
const REPLACED = /^\.(.+)\.pemfleet-replaced-([0-9a-f]{12}|unread-\d+)$/;

/** @throws HostError `ERR_INSTALL`: the disk is full, a directory has that name; each pass tries again */
export async function install(path: string, body: Buffer, pem: PemMode): Promise<void> {
  try {
    await replaceFile(path, body, { ...ownedBy(pem), beforeRename: () => keepPrevious(path, pem) });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    await restoreMissing(path).catch(() => undefined);
    const hint = await hintFor(path, code);
    const why = hint === '' ? `(${await ioProblem(path, error, body.length)})` : `(${code})${hint}`;
    throw new HostError('ERR_INSTALL', `${path} cannot be written ${why}`, { cause: error });
  }
}

function ownedBy({ mode, uid, gid }: PemMode) {
  return { mode, ...(uid === undefined ? {} : { uid }), ...(gid === undefined ? {} : { gid }) };
}

/** Whose file is in the way, and what to type. */
async function hintFor(path: string, code: string | undefined): Promise<string> {
  const stats = await lstat(path).catch(() => undefined);
  if (stats?.isDirectory()) return ': it is a directory; move it away';
  if (code !== 'EPERM' && code !== 'EACCES') return '';
  const [file, directory] = [stats, await lstat(dirname(path))].map((one) => one && ownerNameOf(one.uid));
  const ofFile = file === undefined ? '' : `the file belongs to ${await file}, `;
  return `: ${ofFile}its directory to ${await directory}; chown both to the user of the agent`;
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

/** What `install` has kept of the file, if this user can read it. */
export async function readPreviousFile(path: string): Promise<Buffer | undefined> {
  return readRegularFile(previousOf(path), MAX_READ_BYTES).catch((error: NodeJS.ErrnoException) => {
    if (!['ENOENT', 'EACCES', 'EFBIG'].includes(error.code ?? '')) throw error;
    return undefined;
  });
}

/** A content that this user could not read was never compared with ours: it stays, under another name. */
export async function dropPrevious(path: string): Promise<void> {
  const previous = previousOf(path);
  const isReadable = await open(previous, READ_PLAINLY).then(
    (handle) => handle.close().then(() => true),
    (error: NodeJS.ErrnoException) => error.code !== 'EACCES',
  );
  if (isReadable) await unlink(previous).catch(missingAsFalse);
  else await rename(previous, replacedOf(path, `unread-${(await lstat(previous)).ino}`));
}

export async function removeDurably(path: string): Promise<void> {
  await unlink(path).catch(missingAsFalse);
  await syncDirectory(dirname(path));
}

/** Like `removeDurably`, but `restorePreviousFile` can undo it. */
export async function setAside(path: string, pem: PemMode): Promise<void> {
  await keepPrevious(path, pem);
  await removeDurably(path);
}

/**
 * Keeps a content that holds a private key and that the agent did not write, before it is replaced.
 * @returns the name of the copy; `undefined`: there is no key in it
 */
export async function keepReplaced(path: string): Promise<string | undefined> {
  const body = await readPlainly(path);
  if (body === undefined || !/PRIVATE KEY-----/.test(body.toString('latin1'))) return undefined;
  const kept = replacedOf(path, digest(body));
  const isKept = await access(kept).then(
    () => true,
    () => false,
  );
  if (!isKept) await replaceFile(kept, body, { mode: 0o600 });
  return basename(kept);
}

/** An adopted content is not needed any more once ours is proved. */
export async function dropReplaced(path: string, sha256: string): Promise<void> {
  await unlink(replacedOf(path, sha256)).catch(missingAsFalse);
}

/** What `keepReplaced`, `dropPrevious` or the issuer's `adopt` has kept, under whatever name. */
export interface ReplacedCopy {
  name: string;
  /** In whose place it was. */
  file: string;
  /** The first digits of its digest; `unread-…`: it cannot be read. */
  digest: string;
  /** A rename and a new file both set the time of the last change of the inode. */
  keptAt: Date;
}

export async function replacedCopies(certsDir: string): Promise<ReplacedCopy[]> {
  const copies: ReplacedCopy[] = [];
  for (const name of await namesIn(certsDir, (one) => REPLACED.test(one))) {
    const [, file = '', kept = ''] = REPLACED.exec(name) ?? [];
    const stats = await lstat(join(certsDir, name)).catch(missingAsFalse);
    if (stats !== false && stats.isFile()) copies.push({ name, file, digest: kept, keptAt: stats.ctime });
  }
  return copies;
}

/** Directories that may hold temporary files: those that are written under the lock alone, and those of the state, which are not. */
export function writtenDirectories({ haproxy: { certsDir, crtListFile }, stateDir }: AgentConfig): {
  locked: string[];
  unlocked: string[];
} {
  const locked = new Set([certsDir, ...(crtListFile ? [dirname(crtListFile)] : [])]);
  const unlocked = [stateDir, ...shardFoldersIn(stateDir)].filter((directory) => !locked.has(directory));
  return { locked: [...locked], unlocked };
}

/**
 * Removes what a killed run was writing. To call under the lock.
 * @param before only what was written before: where proofs and status are written without the lock, a younger one may be in use
 */
export async function sweepTemps(directories: Iterable<string>, before?: Date): Promise<number> {
  let count = 0;
  for (const directory of directories) {
    for (const name of await namesIn(directory, isTempName)) {
      const path = join(directory, name);
      const stats = await lstat(path).catch(missingAsFalse);
      if (stats === false || !stats.isFile()) continue;
      if (before !== undefined && stats.mtime >= before) continue;
      await unlink(path).catch(missingAsFalse);
      count += 1;
    }
  }
  return count;
}

/** Removes previous contents of our files, except those of files whose loading is not decided yet. */
export async function sweepPrevious(
  certsDir: string,
  ours: ReadonlySet<string>,
  except: ReadonlySet<string>,
): Promise<void> {
  for (const file of await filesWithPrevious(certsDir)) {
    if (ours.has(file) && !except.has(file)) await dropPrevious(join(certsDir, file));
  }
}

/** Restores those of our files that a killed run had moved aside and not yet replaced. To call under the lock. */
export async function restoreMoved(certsDir: string, ours: ReadonlyMap<string, unknown>): Promise<void> {
  for (const file of await filesWithPrevious(certsDir)) {
    if (ours.has(file)) await restoreMissing(join(certsDir, file));
  }
}

async function filesWithPrevious(certsDir: string): Promise<string[]> {
  const names = await namesIn(certsDir, (name) => name.endsWith(PREVIOUS_SUFFIX));
  return names.map((name) => name.slice(1, -PREVIOUS_SUFFIX.length));
}

function previousOf(path: string): string {
  return join(dirname(path), `.${basename(path)}${PREVIOUS_SUFFIX}`);
}

function replacedOf(path: string, suffix: string): string {
  return join(dirname(path), keptName(basename(path), suffix));
}

/** Not linked: the kernel lets nobody link another user's file (fs.protected_hardlinks), and some file systems have no links. */
const NO_LINK = ['EPERM', 'EACCES', 'EXDEV', 'EMLINK', 'ENOSYS', 'EOPNOTSUPP', 'ENOTSUP'];

/** A previous content that is there already stays: it is the last that HAProxy has taken. */
async function keepPrevious(path: string, pem: PemMode): Promise<void> {
  try {
    await link(path, previousOf(path));
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'EEXIST') return;
    if (!NO_LINK.includes(code)) throw error;
    await copyPrevious(path, pem);
  }
}

/** What cannot be read is moved: the new content takes its place with the next call, or the next pass moves it back. */
async function copyPrevious(path: string, pem: PemMode): Promise<void> {
  const previous = previousOf(path);
  if (await lstat(previous).catch(missingAsFalse)) return;
  const body = await readPlainly(path);
  if (body !== undefined) await replaceFile(previous, body, ownedBy(pem));
  else if (!(await lstat(path)).isDirectory()) await rename(path, previous);
}

async function restoreMissing(path: string): Promise<void> {
  if (await lstat(path).catch(missingAsFalse)) return;
  await rename(previousOf(path), path).catch(missingAsFalse);
}

/** @returns undefined for what is no plain file, or belongs to somebody who lets this user not read it */
async function readPlainly(path: string): Promise<Buffer | undefined> {
  try {
    if (!(await lstat(path)).isFile()) return undefined;
    const handle = await open(path, READ_PLAINLY);
    try {
      return (await handle.stat()).size > MAX_READ_BYTES ? undefined : await handle.readFile();
    } finally {
      await handle.close();
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'EACCES' && code !== 'EPERM') throw error;
    return undefined;
  }
}

async function namesIn(directory: string, isWanted: (name: string) => boolean): Promise<string[]> {
  const names = (await readdir(directory).catch(missingAsFalse)) || [];
  return names.filter((name) => name.startsWith('.') && isWanted(name));
}

function missingAsFalse(error: NodeJS.ErrnoException): false {
  if (error.code !== 'ENOENT') throw error;
  return false;
}
