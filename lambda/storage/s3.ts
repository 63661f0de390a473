/**
 * The bucket in S3, or in a store that speaks S3 and keeps conditional writes. Credentials, region and endpoint come
 * from the SDK's standard chain (environment, profile, container, instance metadata); the address may say more.
 */
import {
  DeleteObjectCommand,
  GetObjectCommand,
  PutObjectCommand,
  type PutObjectCommandInput,
  paginateListObjectsV2,
  S3Client,
} from '@aws-sdk/client-s3';
import { once } from '#common/once.ts';
import { BucketError } from '../contract/errors.ts';
import { type S3Address, tagsOf, writeActionOf } from './address.ts';
import { type Bucket, keySegments, type PutCondition, type StoredObject } from './bucket.ts';
import { probeConditions } from './probe.ts';
import { bucketFailure, isConditionFailed, s3ErrorName, statusOf } from './s3-failure.ts';

/** Of one attempt; the SDK makes three. */
const TIMEOUTS = { connectionTimeout: 5_000, requestTimeout: 20_000, throwOnRequestTimeout: true };

type Written = { etag: string } | 'precondition-failed';

export function openS3Bucket(address: S3Address): Bucket {
  const { bucket, prefix, endpoint, region, pathStyle } = address;
  const client = new S3Client({
    ...(endpoint !== undefined && { endpoint }),
    ...(region !== undefined && { region }),
    ...(pathStyle !== undefined && { forcePathStyle: pathStyle }),
    requestHandler: TIMEOUTS,
  });
  const url = `s3://${bucket}/${prefix}`;
  const at = (key: string) => ({ Bucket: bucket, Key: `${prefix}${keySegments(key).join('/')}` });
  const place = (key: string) => `${url}${key}`;

  async function get(
    key: string,
    condition?: { ifNoneMatch: string },
  ): Promise<StoredObject | 'not-modified' | undefined> {
    const input = { ...at(key), ...(condition && { IfNoneMatch: condition.ifNoneMatch }) };
    try {
      const { Body, ETag = '' } = await client.send(new GetObjectCommand(input));
      return { body: Buffer.from((await Body?.transformToByteArray()) ?? []), etag: ETag };
    } catch (error) {
      if (statusOf(error) === 304) return 'not-modified';
      if (s3ErrorName(error) === 'NoSuchKey') return undefined;
      throw bucketFailure(error, place(key), 's3:GetObject');
    }
  }

  async function write(key: string, body: string | Buffer, condition?: PutCondition): Promise<Written> {
    const input = { ...at(key), Body: body, ...headersOf(key, address), ...conditionOf(condition) };
    try {
      const { ETag = '' } = await client.send(new PutObjectCommand(input));
      return { etag: ETag };
    } catch (error) {
      if (!isConditionFailed(error, condition))
        throw bucketFailure(error, place(key), writeActionOf(address));
      return attemptsOf(error) > 1 ? ownWrite(key, body) : 'precondition-failed';
    }
  }

  /** Where the SDK has tried again after a lost answer, the object that is in the way may be ours. */
  async function ownWrite(key: string, body: string | Buffer): Promise<Written> {
    const found = await get(key);
    const isOurs = typeof found === 'object' && found.body.equals(Buffer.from(body));
    return isOurs ? { etag: found.etag } : 'precondition-failed';
  }

  async function remove(key: string): Promise<void> {
    const input = at(key);
    try {
      await client.send(new DeleteObjectCommand(input));
    } catch (error) {
      throw bucketFailure(error, place(key), 's3:DeleteObject');
    }
  }

  async function entries(under: string): Promise<{ key: string; etag: string }[]> {
    const input = { Bucket: bucket, Prefix: `${prefix}${keySegments(under).join('/')}/` };
    const found: { key: string; etag: string }[] = [];
    try {
      for await (const { Contents = [] } of paginateListObjectsV2({ client }, input))
        found.push(
          ...Contents.map(({ Key = '', ETag = '' }) => ({ key: Key.slice(prefix.length), etag: ETag })),
        );
    } catch (error) {
      throw bucketFailure(error, place(under), 's3:ListBucket');
    }
    return found.sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  const probe = once(() => probeConditions(url, write, remove));
  return {
    url,
    get: get as Bucket['get'],
    put: async (key, body, condition) => {
      if (condition !== undefined) await probe();
      return write(key, body, condition);
    },
    delete: remove,
    entries,
    list: async (under) => (await entries(under)).map(({ key }) => key),
    // No lock object among processes: a reserved concurrency of 1 is the first guard, the conditions are the proof.
    exclusively: inTurn(),
  };
}

function conditionOf(condition: PutCondition | undefined): Partial<PutObjectCommandInput> {
  if (condition === undefined) return {};
  return 'ifMatch' in condition ? { IfMatch: condition.ifMatch } : { IfNoneMatch: condition.ifNoneMatch };
}

function attemptsOf(error: unknown): number {
  return (error as { $metadata?: { attempts?: number } }).$metadata?.attempts ?? 1;
}

/** Never cached on the way: every object is a secret, or is conditional. */
function headersOf(key: string, address: S3Address): Partial<PutObjectCommandInput> {
  const { kmsKeyId } = address;
  const Tagging = tagsOf(address);
  const type = key.endsWith('.json')
    ? 'application/json'
    : key.endsWith('.pem')
      ? 'application/x-pem-file'
      : 'application/octet-stream';
  const encryption: Partial<PutObjectCommandInput> =
    kmsKeyId === undefined
      ? {}
      : {
          ServerSideEncryption: 'aws:kms',
          SSEKMSKeyId: kmsKeyId,
          BucketKeyEnabled: true,
        };
  return {
    ContentType: type,
    CacheControl: 'no-store',
    ...encryption,
    ...(Tagging !== undefined && { Tagging }),
  };
}

export function inTurn(): Bucket['exclusively'] {
  const last = new Map<string, Promise<void>>();
  return async (name, timeoutMs, work) => {
    const before = last.get(name) ?? Promise.resolve();
    let leave: () => void = () => undefined;
    const left = new Promise<void>((resolve) => (leave = resolve));
    last.set(
      name,
      before.then(() => left),
    );
    try {
      await inTime(before, timeoutMs, name);
      return await work();
    } finally {
      leave();
    }
  };
}

async function inTime(before: Promise<void>, timeoutMs: number, name: string): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    const seen = `is held by other work of this process for ${timeoutMs / 1000} s`;
    timer = setTimeout(() => reject(new BucketError('ERR_BUCKET_LOCK', name, seen)), timeoutMs);
  });
  await Promise.race([before, late]).finally(() => clearTimeout(timer));
}
