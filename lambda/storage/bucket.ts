/**
 * The bucket port: what issuer, responder and agents need of a store, with S3's meaning of conditional
 * requests. One suite holds all implementations to it (test/support/bucket/bucket-suite.ts).
 *
 * Keys come from layout.ts alone: segments with `/` between them, none empty, none with a dot at its start.
 * Objects are read and written whole, in memory, and S3 within 20 s: a PEM has 64 kB at most, the manifest of a
 * large fleet some megabytes.
 *
 * Not promised: that two objects change together (hence the PEM first, then the manifest), that a listing shows
 * one moment, earlier versions of an object, a lock on S3.
 */

export interface StoredObject {
  body: Buffer;
  /** Opaque; changes whenever the content changes. */
  etag: string;
}

/** An object in a listing: its whole key, and the ETag that a read would give. */
export interface ListedObject {
  key: string;
  etag: string;
}

/** RFC 9110 §13.1: `ifNoneMatch: '*'` creates only, `ifMatch` replaces only what was read. */
export type PutCondition = { ifNoneMatch: '*' } | { ifMatch: string };

export type PutResult = { etag: string } | 'precondition-failed';

/** Every verb throws BucketError where the store fails. */
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
  put(key: string, body: string | Buffer, condition?: PutCondition): Promise<PutResult>;

  /** Succeeds also if there is no such object. */
  delete(key: string): Promise<void>;

  /** All keys that start with `prefix` (which ends with `/`), at any depth, sorted by code unit. */
  list(prefix: string): Promise<string[]>;

  /** As `list`, with ETags, so that the caller reads only what has changed. */
  entries(prefix: string): Promise<ListedObject[]>;

  /**
   * Runs `work` while no other work of this `name` runs on the bucket, as far as the store can tell: a directory
   * locks; S3 cannot, there a reserved concurrency of 1 is the first guard and the conditions are the proof.
   * @throws BucketError `ERR_BUCKET_LOCK` if others did not end within `timeoutMs`
   */
  exclusively<T>(name: string, timeoutMs: number, work: () => Promise<T>): Promise<T>;
}

/** What hosts and the responder need of it: they read what is published, and hosts write their status. */
export type HostBucket = Pick<Bucket, 'url' | 'get' | 'put'>;

/** Keys are ours (layout.ts), so a bad one is a bug and not an input. @throws TypeError */
export function keySegments(key: string): string[] {
  const segments = key.replace(/\/$/, '').split('/');
  if (segments.some((segment) => segment === '' || segment.startsWith('.'))) {
    throw new TypeError(`not a bucket key: ${key}`);
  }
  return segments;
}
