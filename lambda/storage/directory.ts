/**
 * The bucket in a directory, for one machine: create by link, replace by rename under a lock. Safe among
 * several processes and against kill -9 at any moment; everything is 0600 in directories of 0700.
 */
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rm, stat, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { BucketError } from '../contract/errors.ts';
import { createFile, replaceFile, syncDirectory } from './atomic-file.ts';
import { batched } from './batched.ts';
import { type Bucket, keySegments, type PutCondition, type StoredObject } from './bucket.ts';
import { withFileLock } from './file-lock.ts';

const LOCK_TIMEOUT_MS = 30_000;
/** A temporary file of this age belongs to a process that was killed. */
const STALE_TEMP_MS = 600_000;

/** @throws BucketError `ERR_BUCKET_DENIED`, `ERR_BUCKET_IO` */
export async function openDirectoryBucket(root: string): Promise<Bucket> {
  const temp = join(root, '.tmp');
  const pathOf = (key: string) => join(root, ...keySegments(key));
  const options = { mode: 0o600, tempDirectory: temp };
  const locked = batched((work) => withFileLock(join(root, '.lock'), LOCK_TIMEOUT_MS, work));
  await guarded(root, () => prepare(root, temp));

  async function read(key: string): Promise<StoredObject | undefined> {
    const body = await missingAsUndefined(() => readFile(pathOf(key)));
    return body && { body, etag: `"${createHash('sha256').update(body).digest('hex')}"` };
  }

  async function write(key: string, body: string | Buffer, condition?: PutCondition): Promise<boolean> {
    await mkdir(dirname(pathOf(key)), { recursive: true, mode: 0o700 });
    if (condition && 'ifNoneMatch' in condition) return createFile(pathOf(key), body, options);
    return locked(async () => {
      if (condition && (await read(key))?.etag !== condition.ifMatch) return false;
      await replaceFile(pathOf(key), body, options);
      return true;
    });
  }

  async function remove(key: string): Promise<void> {
    await locked(async () => {
      await unlink(pathOf(key));
      await syncDirectory(dirname(pathOf(key)));
    });
  }

  return {
    url: pathToFileURL(root).href,
    get: (async (key: string, condition?: { ifNoneMatch: string }) => {
      const object = await guarded(key, () => read(key));
      return object !== undefined && object.etag === condition?.ifNoneMatch ? 'not-modified' : object;
    }) as Bucket['get'],
    put: async (key, body, condition) => {
      const written = await guarded(key, () => write(key, body, condition));
      return written
        ? { etag: `"${createHash('sha256').update(body).digest('hex')}"` }
        : 'precondition-failed';
    },
    delete: async (key) => {
      await guarded(key, () => missingAsUndefined(() => remove(key)));
    },
    list: (prefix) => guarded(prefix, () => walk(pathOf(prefix), prefix)),
    entries: (prefix) =>
      guarded(prefix, async () => {
        const keys = await walk(pathOf(prefix), prefix);
        return Promise.all(keys.map(async (key) => ({ key, etag: (await read(key))?.etag ?? '' })));
      }),
    exclusively: (name, timeoutMs, work) => withFileLock(join(root, `.lock-${name}`), timeoutMs, work),
  };
}

async function prepare(root: string, temp: string): Promise<void> {
  await mkdir(root, { recursive: true, mode: 0o700 });
  await mkdir(temp, { recursive: true, mode: 0o700 });
  const newest = (await stat(temp)).mtimeMs;
  for (const name of await readdir(temp)) {
    const file = join(temp, name);
    const age = await missingAsUndefined(async () => newest - (await stat(file)).mtimeMs);
    if (age !== undefined && age > STALE_TEMP_MS) await rm(file, { force: true });
  }
}

async function walk(directory: string, prefix: string): Promise<string[]> {
  const entries = (await missingAsUndefined(() => readdir(directory, { withFileTypes: true }))) ?? [];
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

async function missingAsUndefined<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'EISDIR'].includes((error as NodeJS.ErrnoException).code ?? ''))
      return undefined;
    throw error;
  }
}

async function guarded<T>(key: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? '';
    if (error instanceof BucketError || !/^E[A-Z0-9]+$/.test(code)) throw error;
    const denied = code === 'EACCES' || code === 'EPERM' || code === 'EROFS';
    const message = denied ? 'is not accessible to this user' : `cannot be used (${code})`;
    throw new BucketError(denied ? 'ERR_BUCKET_DENIED' : 'ERR_BUCKET_IO', key, message, { cause: error });
  }
}
