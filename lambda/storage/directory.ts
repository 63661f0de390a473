/**
 * The bucket in a directory, for one machine: create by link, replace by rename under a lock. Safe among
 * several processes and against kill -9 at any moment; files are 0600, directories 0700. Only the challenges can be read by
 * everybody, so that the responder needs no user that can read keys: their answers are public (RFC 8555 §8.3).
 */
import { createHash } from 'node:crypto';
import { constants, type Dirent } from 'node:fs';
import { access, chmod, mkdir, opendir, readdir, rm, stat, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { inParallel } from '#common/in-parallel.ts';
import { sortedKeys } from '#common/sorted-keys.ts';
import { MINUTE_MS, SECOND_MS } from '#common/time.ts';
import { BucketError } from '#contract/errors.ts';
import { isChallenge } from '#contract/layout.ts';
import { MAX_LISTED_KEYS, maxBytesOf } from '#contract/limits.ts';
import { createFile, readRegularFile, replaceFile, syncDirectory } from './atomic-file.ts';
import {
  type Bucket,
  type BucketAccess,
  type ConditionalRead,
  checkSize,
  keySegments,
  type ListedObject,
  type PutCondition,
  type PutResult,
  type ReadLimit,
  type StoredObject,
  tooManyKeys,
} from './bucket.ts';
import { directoryFailure } from './failure.ts';
import { LingeringLock, withFileLock } from './file-lock.ts';

const LOCK_TIMEOUT_MS = 30 * SECOND_MS;
/** Files that are read at once for a listing. */
const READS_AT_ONCE = 16;
/** A temporary file of this age belongs to a process that was killed. */
const STALE_TEMP_MS = 10 * MINUTE_MS;

export class DirectoryBucket implements Bucket {
  readonly url: string;
  readonly #root: string;
  readonly #temp: string;
  readonly #lock: LingeringLock;

  private constructor(root: string) {
    this.url = pathToFileURL(root).href;
    this.#root = root;
    this.#temp = join(root, '.tmp');
    this.#lock = new LingeringLock(join(root, '.lock'), LOCK_TIMEOUT_MS);
  }

  /**
   * Makes the directory if it is missing.
   * @param verbs `get`, `read`: makes nothing; a directory that is missing is an empty bucket
   * @throws BucketError `ERR_BUCKET_DENIED`, `ERR_BUCKET_IO`
   */
  static async open(root: string, verbs: BucketAccess = 'write'): Promise<DirectoryBucket> {
    const bucket = new DirectoryBucket(root);
    await withBucketError(root, async () => {
      if (verbs === 'write') await prepare(root, bucket.#temp);
      else await refuseOther(root, verbs);
    });
    return bucket;
  }

  get(key: string, options?: ReadLimit): Promise<StoredObject | undefined>;
  get(key: string, options: ConditionalRead): Promise<StoredObject | 'not-modified' | undefined>;
  async get(key: string, { ifNoneMatch, maxBytes }: Partial<ConditionalRead> = {}) {
    const object = await withBucketError(key, () => this.#read(key, maxBytes));
    return object !== undefined && object.etag === ifNoneMatch ? 'not-modified' : object;
  }

  async put(key: string, body: string | Buffer, condition?: PutCondition): Promise<PutResult> {
    checkSize(`${this.url}/`, key, body);
    const isWritten = await withBucketError(key, () => this.#write(key, body, condition));
    return isWritten ? { etag: etagOf(body) } : 'precondition-failed';
  }

  async delete(key: string): Promise<void> {
    await withBucketError(key, () => undefinedIfMissing(() => this.#remove(key)));
  }

  /** A directory keeps one version. */
  async erase(key: string, what: 'all' | 'earlier'): Promise<void> {
    if (what === 'all') await this.delete(key);
  }

  async list(prefix: string): Promise<string[]> {
    const path = this.#pathOf(prefix);
    return withBucketError(prefix, async () => (await walk(path, prefix)).sort());
  }

  async entries(prefix: string): Promise<ListedObject[]> {
    return withBucketError(prefix, async () => {
      const keys = (await walk(this.#pathOf(prefix), prefix)).sort();
      const listed = await inParallel(
        keys,
        READS_AT_ONCE,
        (key) => this.#entryOf(key),
        (key) => key,
      );
      return listed.filter((entry) => entry !== undefined);
    });
  }

  async folders(prefix: string): Promise<string[]> {
    return withBucketError(prefix, async () => {
      const path = this.#pathOf(prefix);
      const entries = await readEntries(path, 0);
      if (entries.length > MAX_LISTED_KEYS) throw tooManyKeys(prefix);
      const folders: string[] = [];
      for (const entry of entries) {
        if (entry.isDirectory() && (await holdsFile(join(path, entry.name)))) folders.push(entry.name);
      }
      return folders.sort();
    });
  }

  async listAfter(prefix: string, after: string, max: number) {
    return withBucketError(prefix, async () => {
      const keys = await sortedKeys(this.#pathOf(prefix), prefix, { after, max });
      const listed = await Promise.all(
        keys.map(async (key) => {
          const stats = await undefinedIfMissing(() => stat(this.#pathOf(key)));
          return stats && { key, size: stats.size, modifiedAt: stats.mtime };
        }),
      );
      return listed.filter((entry) => entry !== undefined);
    });
  }

  /** What cannot be read is listed all the same: whoever reads it gets the error. */
  async #entryOf(key: string): Promise<ListedObject | undefined> {
    const stats = await undefinedIfMissing(() => stat(this.#pathOf(key)));
    if (stats === undefined) return undefined;
    const read = await withBucketError(key, () => this.#read(key)).catch((error: unknown) => {
      if (!(error instanceof BucketError)) throw error;
      return { etag: `"${error.code}-${stats.size}-${stats.mtimeMs}"` };
    });
    return read && { key, etag: read.etag, modifiedAt: stats.mtime };
  }

  exclusively<T>(name: string, timeoutMs: number, work: () => Promise<T>): Promise<T> {
    return withFileLock(join(this.#root, `.lock-${name}`), timeoutMs, work);
  }

  #pathOf(key: string): string {
    return join(this.#root, ...keySegments(key));
  }

  async #read(key: string, maxBytes = maxBytesOf(key)): Promise<StoredObject | undefined> {
    const body = await undefinedIfMissing(() => readRegularFile(this.#pathOf(key), maxBytes));
    return body && { body, etag: etagOf(body) };
  }

  async #write(key: string, body: string | Buffer, condition?: PutCondition): Promise<boolean> {
    const path = this.#pathOf(key);
    const isPublic = isChallenge(key);
    const options = { mode: isPublic ? 0o644 : 0o600, tempDirectory: this.#temp };
    if (isPublic) {
      await makeFolder(path);
      for (const folder of [this.#root, dirname(path)]) await letThrough(folder);
    }
    if (condition && 'ifNoneMatch' in condition) {
      const isNew = await inFolder(path, () => createFile(path, body, options));
      if (!isNew) await refuseFolder(path);
      return isNew;
    }
    return this.#lock.whileHeld(async () => {
      if (condition && (await this.#read(key))?.etag !== condition.ifMatch) return false;
      await inFolder(path, () => replaceFile(path, body, options));
      return true;
    });
  }

  async #remove(key: string): Promise<void> {
    const path = this.#pathOf(key);
    await this.#lock.whileHeld(async () => {
      await unlink(path);
      await syncDirectory(dirname(path));
    });
  }
}

function etagOf(body: string | Buffer): string {
  return `"${createHash('sha256').update(body).digest('hex')}"`;
}

/** The first object of a folder finds none. */
async function inFolder<T>(path: string, write: () => Promise<T>): Promise<T> {
  try {
    return await write();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  await makeFolder(path);
  return write();
}

async function makeFolder(path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
}

/** Lets other users pass through a directory of ours, and see nothing of it. (The umask has a say at its making only.) */
async function letThrough(folder: string): Promise<void> {
  const { mode, uid } = await stat(folder);
  if ((mode & 0o011) !== 0o011 && uid === process.getuid?.()) await chmod(folder, (mode & 0o7777) | 0o011);
}

/** Nothing is there, or a directory that can be read; for `get`, passed through. */
async function refuseOther(root: string, verbs: BucketAccess): Promise<void> {
  try {
    if (verbs === 'get') await access(root, constants.X_OK);
    else await readdir(root);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}

async function prepare(root: string, temp: string): Promise<void> {
  await mkdir(root, { recursive: true, mode: 0o700 });
  await mkdir(temp, { recursive: true, mode: 0o700 });
  const newest = (await stat(temp)).mtimeMs;
  for (const name of await readdir(temp)) {
    const file = join(temp, name);
    const age = await undefinedIfMissing(async () => newest - (await stat(file)).mtimeMs);
    if (age !== undefined && age > STALE_TEMP_MS) await rm(file, { force: true });
  }
}

/** Adds the keys below `directory` to `keys`. */
async function walk(directory: string, prefix: string, keys: string[] = []): Promise<string[]> {
  for (const entry of await readEntries(directory, keys.length)) {
    const key = `${prefix}${entry.name}`;
    if (entry.isDirectory()) await walk(join(directory, entry.name), `${key}/`, keys);
    else keys.push(key);
  }
  if (keys.length > MAX_LISTED_KEYS) throw tooManyKeys(prefix);
  return keys;
}

/** Directories outlive their files, and folders do not. */
async function holdsFile(directory: string): Promise<boolean> {
  for (const entry of await readEntries(directory, 0)) {
    if (!entry.isDirectory() || (await holdsFile(join(directory, entry.name)))) return true;
  }
  return false;
}

/** Without what starts with a dot. Ends early where there are too many. */
async function readEntries(directory: string, before: number): Promise<Dirent[]> {
  const entries: Dirent[] = [];
  const opened = await undefinedIfMissing(() => opendir(directory, { bufferSize: 1024 }));
  if (opened === undefined) return entries;
  for await (const entry of opened) {
    if (entry.name.startsWith('.')) continue;
    entries.push(entry);
    if (before + entries.length > MAX_LISTED_KEYS) break;
  }
  return entries;
}

/** What lies in an object's place and is none is no writer that was faster. */
async function refuseFolder(path: string): Promise<void> {
  const stats = await undefinedIfMissing(() => stat(path));
  if (stats?.isDirectory()) throw Object.assign(new Error(`${path} is a directory`), { code: 'EISDIR' });
}

async function undefinedIfMissing<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'EISDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) {
      return undefined;
    }
    throw error;
  }
}

async function withBucketError<T>(key: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw directoryFailure(error, key);
  }
}
