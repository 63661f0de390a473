/**
 * The bucket in a directory, for one machine: create by link, replace by rename under a lock. Safe among
 * several processes and against kill -9 at any moment; files are 0600, directories 0700.
 */
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rm, stat, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { batched } from '#common/batched.ts';
import { MINUTE_MS, SECOND_MS } from '#common/time.ts';
import { BucketError } from '#contract/errors.ts';
import { createFile, replaceFile, syncDirectory } from './atomic-file.ts';
import {
  type Bucket,
  keySegments,
  type ListedObject,
  type PutCondition,
  type PutResult,
  type StoredObject,
} from './bucket.ts';
import { withFileLock } from './file-lock.ts';

const LOCK_TIMEOUT_MS = 30 * SECOND_MS;
/** A temporary file of this age belongs to a process that was killed. */
const STALE_TEMP_MS = 10 * MINUTE_MS;

export class DirectoryBucket implements Bucket {
  readonly url: string;
  readonly #root: string;
  readonly #temp: string;
  /** Runs all work that waits for the lock while it is held once. */
  readonly #whileLocked: (work: () => Promise<void>) => Promise<void>;

  private constructor(root: string) {
    this.url = pathToFileURL(root).href;
    this.#root = root;
    this.#temp = join(root, '.tmp');
    this.#whileLocked = batched((works) =>
      withFileLock(join(root, '.lock'), LOCK_TIMEOUT_MS, async () => {
        for (const work of works) await work();
      }),
    );
  }

  /** Makes the directory if it is missing. @throws BucketError `ERR_BUCKET_DENIED`, `ERR_BUCKET_IO` */
  static async open(root: string): Promise<DirectoryBucket> {
    const bucket = new DirectoryBucket(root);
    await withBucketError(root, () => prepare(root, bucket.#temp));
    return bucket;
  }

  get(key: string): Promise<StoredObject | undefined>;
  get(key: string, condition: { ifNoneMatch: string }): Promise<StoredObject | 'not-modified' | undefined>;
  async get(key: string, condition?: { ifNoneMatch: string }) {
    const object = await withBucketError(key, () => this.#read(key));
    return object !== undefined && object.etag === condition?.ifNoneMatch ? 'not-modified' : object;
  }

  async put(key: string, body: string | Buffer, condition?: PutCondition): Promise<PutResult> {
    const isWritten = await withBucketError(key, () => this.#write(key, body, condition));
    return isWritten ? { etag: etagOf(body) } : 'precondition-failed';
  }

  async delete(key: string): Promise<void> {
    await withBucketError(key, () => undefinedIfMissing(() => this.#remove(key)));
  }

  async list(prefix: string): Promise<string[]> {
    return withBucketError(prefix, () => walk(this.#pathOf(prefix), prefix));
  }

  async entries(prefix: string): Promise<ListedObject[]> {
    return withBucketError(prefix, async () => {
      const keys = await walk(this.#pathOf(prefix), prefix);
      return Promise.all(keys.map(async (key) => ({ key, etag: (await this.#read(key))?.etag ?? '' })));
    });
  }

  exclusively<T>(name: string, timeoutMs: number, work: () => Promise<T>): Promise<T> {
    return withFileLock(join(this.#root, `.lock-${name}`), timeoutMs, work);
  }

  #pathOf(key: string): string {
    return join(this.#root, ...keySegments(key));
  }

  async #read(key: string): Promise<StoredObject | undefined> {
    const body = await undefinedIfMissing(() => readFile(this.#pathOf(key)));
    return body && { body, etag: etagOf(body) };
  }

  async #write(key: string, body: string | Buffer, condition?: PutCondition): Promise<boolean> {
    const path = this.#pathOf(key);
    const options = { mode: 0o600, tempDirectory: this.#temp };
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    if (condition && 'ifNoneMatch' in condition) return createFile(path, body, options);
    return this.#locked(async () => {
      if (condition && (await this.#read(key))?.etag !== condition.ifMatch) return false;
      await replaceFile(path, body, options);
      return true;
    });
  }

  async #remove(key: string): Promise<void> {
    const path = this.#pathOf(key);
    await this.#locked(async () => {
      await unlink(path);
      await syncDirectory(dirname(path));
    });
  }

  #locked<T>(work: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#whileLocked(() => work().then(resolve, reject)).catch(reject);
    });
  }
}

function etagOf(body: string | Buffer): string {
  return `"${createHash('sha256').update(body).digest('hex')}"`;
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

async function walk(directory: string, prefix: string): Promise<string[]> {
  const entries = (await undefinedIfMissing(() => readdir(directory, { withFileTypes: true }))) ?? [];
  const visible = entries.filter((entry) => !entry.name.startsWith('.'));
  const nested = await Promise.all(
    visible.map((entry) =>
      entry.isDirectory()
        ? walk(join(directory, entry.name), `${prefix}${entry.name}/`)
        : [`${prefix}${entry.name}`],
    ),
  );
  return nested.flat().sort();
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
    const code = (error as NodeJS.ErrnoException).code ?? '';
    if (error instanceof BucketError || !/^E[A-Z0-9]+$/.test(code)) throw error;
    const isDenied = code === 'EACCES' || code === 'EPERM' || code === 'EROFS';
    const message = isDenied ? 'is not accessible to this user' : `cannot be used (${code})`;
    throw new BucketError(isDenied ? 'ERR_BUCKET_DENIED' : 'ERR_BUCKET_IO', key, message, { cause: error });
  }
}
