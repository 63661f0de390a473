/**
 * The bucket port: what issuer, responder and agents need of a store, with S3's meaning of conditional
 * requests. One suite holds all implementations to it (test/support/bucket/bucket-suite.ts).
 *
 * Keys come from layout.ts alone: segments with `/` between them, none empty, none with a dot at its start.
 * Objects are read and written whole, in memory, and S3 within 20 s. Each has a limit (contract/limits.ts), which is
 * checked before memory is spent: against the size that the store declares, and against the bytes that come. Nothing is
 * ever decompressed.
 *
 * Not promised: that two objects change together (hence the PEM first, then the manifest), that a listing shows
 * one moment, earlier versions of an object, a lock on S3.
 */
import { BucketError } from '#contract/errors.ts';
import { MAX_LISTED_KEYS, maxBytesOf } from '#contract/limits.ts';

export interface StoredObject {
  body: Buffer;
  /** Opaque; changes whenever the content changes. */
  etag: string;
}

/** An object in a listing: its whole key, the ETag that a read would give, and when it was written, by the store's clock. */
export interface ListedObject {
  key: string;
  etag: string;
  modifiedAt: Date;
}

/** What a part of a listing says of an object: enough to see that one is missing, cut short, or written since. */
export interface ListedSize {
  key: string;
  /** In bytes. */
  size: number;
  /** When it was written, by the store's clock. */
  modifiedAt: Date;
}

export interface ReadLimit {
  /** Default: what contract/limits.ts says of the key. */
  maxBytes?: number | undefined;
}

/** A read that costs nothing where the reader has the object already. */
export interface ConditionalRead extends ReadLimit {
  ifNoneMatch: string;
}

/** RFC 9110 §13.1: `ifNoneMatch: '*'` creates only, `ifMatch` replaces only what was read. */
export type PutCondition = { ifNoneMatch: '*' } | { ifMatch: string };

export type PutResult = { etag: string } | 'precondition-failed';

/** Every verb throws BucketError where the store fails. */
export interface Bucket {
  /** For messages, and for whose clock counts: `file:///…`, `s3://…`. */
  readonly url: string;

  /**
   * When the store answered last, by its own clock (RFC 9110 §6.6.1, Date), also where nothing was modified. `undefined`: it
   * has not, or it is a directory, whose clock is this machine's.
   */
  readonly answeredAt?: Date | undefined;

  /**
   * `undefined` if there is no such object. A reader never sees half an object.
   * @throws BucketError `ERR_BUCKET_SIZE` if it is larger than its limit: its bytes are not read
   */
  get(key: string, options?: ReadLimit): Promise<StoredObject | undefined>;
  get(key: string, options: ConditionalRead): Promise<StoredObject | 'not-modified' | undefined>;

  /**
   * Durable when it returns. The condition and the write are one step, among any number of writers;
   * an `ifMatch` on a missing object fails the condition.
   * @throws BucketError `ERR_BUCKET_SIZE` for what no reader would take
   */
  put(key: string, body: string | Buffer, condition?: PutCondition): Promise<PutResult>;

  /** Succeeds also if there is no such object. */
  delete(key: string): Promise<void>;

  /**
   * Deletes the object and what the store keeps of it under this key: in a versioned bucket, its earlier versions. For private keys that a
   * stranger has. `earlier`: only those, and the object as it is stays.
   * @throws BucketError `ERR_BUCKET_DENIED` where only the object itself may be deleted: then it is
   */
  erase(key: string, what: 'all' | 'earlier'): Promise<void>;

  /**
   * All keys that start with `prefix` (which ends with `/`), at any depth, sorted by code unit.
   * @throws BucketError `ERR_BUCKET_SIZE` if there are more than `MAX_LISTED_KEYS`
   */
  list(prefix: string): Promise<string[]>;

  /** As `list`, with ETags, so that the caller reads only what has changed. */
  entries(prefix: string): Promise<ListedObject[]>;

  /**
   * The next segments of all keys that start with `prefix` (which ends with `/`) and have more than one segment after it, each once,
   * sorted: its folders. Costs no more for what lies in them.
   * @throws BucketError `ERR_BUCKET_SIZE` if there are more than `MAX_LISTED_KEYS`, objects beside them included
   */
  folders(prefix: string): Promise<string[]>;

  /**
   * A part of a listing, however many keys there are: the first `max` (1,000 at most) behind `after`, sorted by code unit. One request.
   * @param after a key; empty: from the start
   */
  listAfter(prefix: string, after: string, max: number): Promise<ListedSize[]>;

  /**
   * Runs `work` while no other work of this `name` runs on the bucket, as far as the store can tell: a directory
   * locks; S3 cannot, there a reserved concurrency of 1 is the first guard and the conditions are the proof.
   * @throws BucketError `ERR_BUCKET_LOCK` if others did not end within `timeoutMs`
   */
  exclusively<T>(name: string, timeoutMs: number, work: () => Promise<T>): Promise<T>;
}

/** Who only reads makes nothing, also no directory. `get`: reads objects that it knows by name, and may list nothing. */
export type BucketAccess = 'get' | 'read' | 'write';

/** What hosts and the responder need of it: they read what is published, and hosts write their status. */
export type HostBucket = Pick<Bucket, 'url' | 'answeredAt' | 'get' | 'put'>;

/** @throws BucketError `ERR_BUCKET_SIZE` */
export function checkSize(url: string, key: string, body: string | Buffer): void {
  const [bytes, maxBytes] = [Buffer.byteLength(body), maxBytesOf(key)];
  if (bytes <= maxBytes) return;
  const says = `would have ${bytes} bytes, and no reader takes more than ${maxBytes}`;
  throw new BucketError('ERR_BUCKET_SIZE', `${url}${key}`, `${says}; has a fleet become too large? Split it`);
}

/** @param header a Date header. @returns `undefined` for what is none */
export function answerTimeOf(header: string | undefined): Date | undefined {
  const time = new Date(header ?? '');
  return Number.isNaN(time.getTime()) ? undefined : time;
}

/** The listing of a prefix with more keys than anything of ours has. */
export function tooManyKeys(prefix: string): BucketError {
  const says = `wanted at most ${MAX_LISTED_KEYS} keys, saw more: delete what is not ours`;
  return new BucketError('ERR_BUCKET_SIZE', prefix, says);
}

/** Keys are ours (layout.ts), so a bad one is a bug and not an input. @throws TypeError */
export function keySegments(key: string): string[] {
  const segments = key.replace(/\/$/, '').split('/');
  if (segments.some((segment) => segment === '' || segment.startsWith('.'))) {
    throw new TypeError(`not a bucket key: ${key}`);
  }
  return segments;
}
