/**
 * Whole files or none: temporary file, mode and owner, fsync, rename, fsync of the directory. The content is
 * never readable beyond the given mode, not even mid-write. No protection against two writers of one path: they
 * need a lock.
 */
import { randomBytes } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { link, open, rename, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { BodyTooLarge, readBody } from '#common/bounded-body.ts';

export interface FileOptions {
  /** Permission bits, for example `0o600`; set exactly, whatever the umask. */
  mode: number;
  /** Default: as created. */
  uid?: number | undefined;
  /** Default: as created. */
  gid?: number | undefined;
  /** Directory of the temporary file, in the same file system; default: the file's own. */
  tempDirectory?: string | undefined;
  /** Runs when the new content is on disk under its temporary name. */
  beforeRename?: (() => Promise<void>) | undefined;
}

/** Ends the names of our temporary files. They start with a dot, because HAProxy loads all other files of a `crt` directory. */
export const TEMP_SUFFIX = '.pemfleet-tmp';

/** Followed by what tells the copies of one file apart. HAProxy skips them, too. */
const KEPT_INFIX = '.pemfleet-replaced-';

/**
 * A copy of what was in the place of a file of ours, and holds a private key: it is beside the file, and the agent deletes it when its time
 * has come (agent/removal/old-copies.ts).
 * @param suffix a SHA-256 of the content in hexadecimal, of which the first digits count, or another word
 */
export const keptName = (file: string, suffix: string): string =>
  `.${file}${KEPT_INFIX}${/^[0-9a-f]{64}$/.test(suffix) ? suffix.slice(0, 12) : suffix}`;

/**
 * Reads a file that others may have put there. A FIFO, a device or a socket would block, or never end: only a regular file is
 * read, and of it no more than `maxBytes`, though it may grow meanwhile.
 * @throws BodyTooLarge; with the codes of open(2) and `EISDIR`; `EINVAL` for what is neither a file nor a directory
 */
export async function readRegularFile(path: string, maxBytes: number): Promise<Buffer> {
  const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const stats = await handle.stat();
    if (!stats.isFile()) throw notRegular(path, stats.isDirectory() ? 'EISDIR' : 'EINVAL');
    if (stats.size > maxBytes) throw new BodyTooLarge(maxBytes, stats.size);
    // Closed with the stream, so that the caller has a large body before the next one is read.
    return await readBody(handle.createReadStream(), {
      maxBytes,
      declared: `${stats.size}`,
    });
  } finally {
    await handle.close();
  }
}

/** The same at once, for the lines of a configuration. @throws as `readRegularFile` */
export function readRegularFileSync(path: string, maxBytes: number): Buffer {
  const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const stats = fstatSync(file);
    if (!stats.isFile()) throw notRegular(path, stats.isDirectory() ? 'EISDIR' : 'EINVAL');
    if (stats.size > maxBytes) throw new BodyTooLarge(maxBytes, stats.size);
    const body = Buffer.alloc(stats.size);
    return body.subarray(0, readSync(file, body, 0, body.length, 0));
  } finally {
    closeSync(file);
  }
}

function notRegular(path: string, code: string): Error {
  return Object.assign(new Error(`${path} is no regular file`), { code });
}

const TEMP_NAME = new RegExp(`^\\.(.+)\\.[0-9a-f]{12}\\${TEMP_SUFFIX}$`);

/** @returns the first 200 characters of the name of the file that it was to become; undefined: it is no temporary file of ours */
export function tempTargetOf(name: string): string | undefined {
  return TEMP_NAME.exec(name)?.[1];
}

/** Whether it is the name of a temporary file of ours: that of another program's may only end like it. */
export function isTempName(name: string): boolean {
  return tempTargetOf(name) !== undefined;
}

/** A file's new content, on disk beside it and not yet in its place. */
export interface StagedFile {
  /** A dot-file in the same directory. */
  temp: string;
  commit: () => Promise<void>;
  discard: () => Promise<void>;
}

/** For content that a program is to check first. One of `commit` and `discard` must follow. */
export async function stageFile(
  path: string,
  body: string | Buffer,
  options: FileOptions,
): Promise<StagedFile> {
  const temp = await writeTemp(path, body, options);
  return {
    temp,
    commit: async () => {
      await rename(temp, path);
      await syncDirectory(dirname(path));
    },
    discard: () => unlink(temp),
  };
}

/** Writes the file, or writes it again. */
export async function replaceFile(path: string, body: string | Buffer, options: FileOptions): Promise<void> {
  const temp = await writeTemp(path, body, options);
  try {
    await options.beforeRename?.();
    await rename(temp, path);
  } catch (error) {
    await unlink(temp);
    throw error;
  }
  await syncDirectory(dirname(path));
}

/** @returns false if the file exists; it stays as it is */
export async function createFile(
  path: string,
  body: string | Buffer,
  options: FileOptions,
): Promise<boolean> {
  const temp = await writeTemp(path, body, options);
  try {
    await link(temp, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  } finally {
    await unlink(temp);
  }
  await syncDirectory(dirname(path));
  return true;
}

/** Makes a rename or an unlink in `directory` durable. */
export async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function writeTemp(path: string, body: string | Buffer, options: FileOptions): Promise<string> {
  const random = randomBytes(6).toString('hex');
  const temp = join(
    options.tempDirectory ?? dirname(path),
    `.${basename(path).slice(0, 200)}.${random}${TEMP_SUFFIX}`,
  );
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
  const handle = await open(temp, flags, 0o600);
  try {
    await handle.writeFile(body);
    if (options.uid !== undefined || options.gid !== undefined) {
      await handle.chown(options.uid ?? -1, options.gid ?? -1);
    }
    await handle.chmod(options.mode);
    await handle.sync();
  } catch (error) {
    await unlink(temp);
    throw withPath(error, path);
  } finally {
    await handle.close();
  }
  return temp;
}

/** What fails on an open file (a full disk) does not say which one. */
function withPath(error: unknown, path: string): unknown {
  if (error instanceof Error && 'syscall' in error && !('path' in error)) error.message += ` '${path}'`;
  return error;
}
