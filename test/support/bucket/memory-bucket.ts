/** The bucket port in memory, for tests of what is above it; held to the same suite as the real ones. */
import { createHash } from 'node:crypto';
import { BucketError } from '#contract/errors.ts';
import { maxBytesOf } from '#contract/limits.ts';
import { type Bucket, type ConditionalRead, checkSize, keySegments } from '#storage/bucket.ts';
import { createProcessLock } from '#storage/process-lock.ts';

export interface MemoryBucket extends Bucket {
  /** Every call that came, as `put key`, in order. */
  readonly calls: string[];
  text(key: string): string | undefined;
  /** As a writer leaves it that obeys no limit. */
  plant(key: string, text: string): void;
}

const etagOf = (body: Buffer) => `"${createHash('sha256').update(body).digest('hex')}"`;

/** For `memoryBucket`: hosts whose clocks agree with the store's write their statuses when they say so. */
export function reportTime(key: string, body: string | Buffer): Date {
  const reportedAt = /"reportedAt": "([^"]+)"/.exec(body.toString())?.[1];
  return key.startsWith('status/') && reportedAt !== undefined ? new Date(reportedAt) : new Date();
}

/** @param now the store's clock, when it takes this object */
export function memoryBucket(
  now: (key: string, body: string | Buffer) => Date = () => new Date(),
): MemoryBucket {
  const objects = new Map<string, Buffer>();
  const times = new Map<string, Date>();
  const calls: string[] = [];
  const called = async (verb: string, key: string) => {
    calls.push(`${verb} ${key}`);
    keySegments(key);
    // Another task may come first, as it may with a real bucket.
    await Promise.resolve();
  };
  return {
    url: 'memory:',
    calls,
    text: (key) => objects.get(key)?.toString('utf8'),
    plant: (key, text) => objects.set(key, Buffer.from(text)),
    get: (async (key: string, { ifNoneMatch, maxBytes = maxBytesOf(key) }: Partial<ConditionalRead> = {}) => {
      await called('get', key);
      const body = objects.get(key);
      if (body === undefined) return undefined;
      if (body.length > maxBytes) throw new BucketError('ERR_BUCKET_SIZE', key, `saw ${body.length} bytes`);
      return etagOf(body) === ifNoneMatch ? 'not-modified' : { body, etag: etagOf(body) };
    }) as Bucket['get'],
    put: async (key, body, condition) => {
      await called('put', key);
      checkSize('memory:', key, body);
      const old = objects.get(key);
      if (condition && 'ifNoneMatch' in condition && old !== undefined) return 'precondition-failed';
      if (condition && 'ifMatch' in condition && (old === undefined || etagOf(old) !== condition.ifMatch)) {
        return 'precondition-failed';
      }
      const stored = Buffer.from(body);
      objects.set(key, stored);
      times.set(key, now(key, body));
      return { etag: etagOf(stored) };
    },
    delete: async (key) => {
      await called('delete', key);
      objects.delete(key);
    },
    erase: async (key, what) => {
      await called(`erase ${what}`, key);
      if (what === 'all') objects.delete(key);
    },
    list: async (prefix) => {
      await called('list', prefix);
      return [...objects.keys()].filter((key) => key.startsWith(prefix)).sort();
    },
    entries: async (prefix) => {
      await called('list', prefix);
      const found = [...objects]
        .filter(([key]) => key.startsWith(prefix))
        .sort(([a], [b]) => (a < b ? -1 : 1));
      return found.map(([key, body]) => ({
        key,
        etag: etagOf(body),
        modifiedAt: times.get(key) ?? new Date(0),
      }));
    },
    folders: async (prefix) => {
      await called('folders', prefix);
      const below = [...objects.keys()].filter((key) => key.startsWith(prefix));
      const segments = below.map((key) => key.slice(prefix.length).split('/'));
      return [
        ...new Set(segments.flatMap(([first = '', ...rest]) => (rest.length > 0 ? [first] : []))),
      ].sort();
    },
    listAfter: async (prefix, after, max) => {
      await called('list', prefix);
      const keys = [...objects.keys()].filter((key) => key.startsWith(prefix) && key > after).sort();
      return keys.slice(0, max).map((key) => {
        return { key, size: objects.get(key)?.length ?? 0, modifiedAt: times.get(key) ?? new Date(0) };
      });
    },
    exclusively: createProcessLock(),
  };
}
