/**
 * The bucket port: what issuer, responder and agents need of a store, with S3's meaning of conditional
 * requests. Implementations are held to one suite (test/support/bucket/bucket-suite.ts).
 */

export interface StoredObject {
  body: Buffer;
  /** Opaque; changes whenever the content changes. */
  etag: string;
}

/** RFC 9110 §13.1: `ifNoneMatch: '*'` creates only, `ifMatch` replaces only what was read. */
export type PutCondition = { ifNoneMatch: '*' } | { ifMatch: string };

export interface Bucket {
  /** For messages: `file:///…`, `s3://…`. */
  readonly url: string;

  /** `undefined` if there is no such object. A reader never sees half an object. */
  get(key: string): Promise<StoredObject | undefined>;
  get(key: string, condition: { ifNoneMatch: string }): Promise<StoredObject | 'not-modified' | undefined>;

  /**
   * Durable when it returns. The condition and the write are one step, among any number of writers;
   * an `ifMatch` on a missing object fails the condition.
   */
  put(
    key: string,
    body: string | Buffer,
    condition?: PutCondition,
  ): Promise<{ etag: string } | 'precondition-failed'>;

  /** Deleting what is not there succeeds. */
  delete(key: string): Promise<void>;

  /** All keys that start with `prefix` (which ends with `/`), sorted. */
  list(prefix: string): Promise<string[]>;

  /** The same with ETags, so that only what has changed need be read. */
  entries(prefix: string): Promise<{ key: string; etag: string }[]>;

  /**
   * Runs `work` while no other work of this `name` runs on the bucket, as far as the store can tell: a directory
   * locks; S3 cannot, there a reserved concurrency of 1 is the first guard and the conditions are the proof.
   * @throws BucketError `ERR_BUCKET_LOCK` if others did not end within `timeoutMs`
   */
  exclusively<T>(name: string, timeoutMs: number, work: () => Promise<T>): Promise<T>;
}

/** What hosts do with it: they read what is published, and write their status. */
export type HostBucket = Pick<Bucket, 'url' | 'get' | 'put'>;

/** Keys are ours (layout.ts), so a bad one is a bug and not an input. @throws TypeError */
export function keySegments(key: string): string[] {
  const segments = key.replace(/\/$/, '').split('/');
  if (segments.some((segment) => segment === '' || segment.startsWith('.')))
    throw new TypeError(`not a bucket key: ${key}`);
  return segments;
}
