// What S3 keeps: buckets, and for each key its versions, the newest last.
import { randomBytes } from 'node:crypto';
import { AwsFailure } from '../wire.ts';

export interface Encryption {
  algorithm: 'AES256' | 'aws:kms';
  /** ARN; undefined: the key that AWS keeps for S3, which needs no permission */
  kmsKeyArn: string | undefined;
  bucketKey: boolean;
  /** of the key; default: what IAM allows in its account */
  keyPolicy?: object;
}

export interface ObjectVersion {
  key: string;
  /** `null` when it was written without versioning */
  versionId: string;
  isDeleteMarker: boolean;
  body: Buffer;
  /** in quotes */
  etag: string;
  lastModified: Date;
  /** content-type, cache-control, x-amz-meta-… */
  headers: Record<string, string>;
  /** x-amz-checksum-…: base64 */
  checksum: readonly [name: string, value: string];
  encryption: Encryption;
}

/** What a writer hands in. */
export type NewObject = Pick<ObjectVersion, 'body' | 'etag' | 'headers' | 'checksum' | 'encryption'>;

export interface Bucket {
  name: string;
  accountId: string;
  createdAt: Date;
  versioning: 'Enabled' | 'Suspended' | undefined;
  encryption: Encryption;
  policy: object | undefined;
  versions: Map<string, ObjectVersion[]>;
}

export type S3Store = ReturnType<typeof createS3Store>;

export function createS3Store(now: () => Date) {
  const buckets = new Map<string, Bucket>();
  const byDefault: Encryption = { algorithm: 'AES256', kmsKeyArn: undefined, bucketKey: false };

  const bucketOf = (name: string): Bucket => {
    const bucket = buckets.get(name);
    if (bucket) return bucket;
    throw new AwsFailure(404, 'NoSuchBucket', 'The specified bucket does not exist', { BucketName: name });
  };

  return {
    bucketOf,
    has: (name: string) => buckets.has(name),
    create(name: string, accountId: string): Bucket {
      const bucket: Bucket = {
        ...{ name, accountId, createdAt: now(), versioning: undefined, policy: undefined },
        ...{ encryption: byDefault, versions: new Map() },
      };
      buckets.set(name, bucket);
      return bucket;
    },
    write: (bucket: Bucket, key: string, written: NewObject): ObjectVersion =>
      append(bucket, { ...written, key, lastModified: now(), isDeleteMarker: false }),
    /** Without a version: a delete marker where versions are kept. */
    remove: (bucket: Bucket, key: string, versionId: string | undefined): ObjectVersion | undefined =>
      versionId === undefined ? removeCurrent(bucket, key, now()) : removeVersion(bucket, key, versionId),
  };
}

/** The current version, unless it is a delete marker. */
export function currentOf(bucket: Bucket, key: string): ObjectVersion | undefined {
  const version = bucket.versions.get(key)?.at(-1);
  return version?.isDeleteMarker ? undefined : version;
}

function append(bucket: Bucket, written: Omit<ObjectVersion, 'versionId'>): ObjectVersion {
  const versionId = bucket.versioning === 'Enabled' ? randomBytes(16).toString('base64url') : 'null';
  const version = { ...written, versionId };
  const before = bucket.versions.get(written.key) ?? [];
  // there is one null version at most
  const kept = versionId === 'null' ? before.filter((other) => other.versionId !== 'null') : before;
  bucket.versions.set(written.key, [...kept, version]);
  return version;
}

function removeCurrent(bucket: Bucket, key: string, lastModified: Date): ObjectVersion | undefined {
  if (bucket.versioning === undefined) {
    bucket.versions.delete(key);
    return undefined;
  }
  const nothing = { body: Buffer.alloc(0), etag: '', headers: {}, checksum: ['', ''] as const };
  return append(bucket, {
    ...{ ...nothing, key, lastModified, isDeleteMarker: true, encryption: bucket.encryption },
  });
}

function removeVersion(bucket: Bucket, key: string, versionId: string): ObjectVersion | undefined {
  const versions = bucket.versions.get(key) ?? [];
  const removed = versions.find((version) => version.versionId === versionId);
  const kept = versions.filter((version) => version !== removed);
  if (kept.length > 0) bucket.versions.set(key, kept);
  else bucket.versions.delete(key);
  return removed;
}
