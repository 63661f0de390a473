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
import type { BucketError } from '#contract/errors.ts';
import { type S3Address, tagsOf, writeActionOf } from './address.ts';
import {
  type Bucket,
  keySegments,
  type ListedObject,
  type PutCondition,
  type PutResult,
  type StoredObject,
} from './bucket.ts';
import { probeConditions } from './probe.ts';
import { createProcessLock } from './process-lock.ts';
import { bucketFailure, isConditionFailed, s3ErrorName, statusOf } from './s3-failure.ts';

/** Limits of one attempt; the SDK makes three. */
const TIMEOUTS = { connectionTimeout: 5_000, requestTimeout: 20_000, throwOnRequestTimeout: true };

export class S3Bucket implements Bucket {
  readonly url: string;
  /** S3 has no lock among processes: see the port. */
  readonly exclusively = createProcessLock();
  readonly #address: S3Address;
  readonly #client: S3Client;
  /** Before the first conditional write of the process. */
  readonly #probe: () => Promise<void>;

  constructor(address: S3Address) {
    const { bucket, prefix, endpoint, region, pathStyle } = address;
    this.url = `s3://${bucket}/${prefix}`;
    this.#address = address;
    // The type of the configuration takes no `undefined`.
    this.#client = new S3Client({
      ...(endpoint !== undefined && { endpoint }),
      ...(region !== undefined && { region }),
      ...(pathStyle !== undefined && { forcePathStyle: pathStyle }),
      requestHandler: TIMEOUTS,
    });
    this.#probe = once(() =>
      probeConditions(
        this.url,
        (...write) => this.#write(...write),
        (key) => this.delete(key),
      ),
    );
  }

  get(key: string): Promise<StoredObject | undefined>;
  get(key: string, condition: { ifNoneMatch: string }): Promise<StoredObject | 'not-modified' | undefined>;
  async get(
    key: string,
    condition?: { ifNoneMatch: string },
  ): Promise<StoredObject | 'not-modified' | undefined> {
    const input = { ...this.#locate(key), IfNoneMatch: condition?.ifNoneMatch };
    try {
      const { Body, ETag = '' } = await this.#client.send(new GetObjectCommand(input));
      return { body: Buffer.from((await Body?.transformToByteArray()) ?? []), etag: ETag };
    } catch (error) {
      if (statusOf(error) === 304) return 'not-modified';
      if (s3ErrorName(error) === 'NoSuchKey') return undefined;
      throw this.#failure(error, key, 's3:GetObject');
    }
  }

  async put(key: string, body: string | Buffer, condition?: PutCondition): Promise<PutResult> {
    if (condition !== undefined) await this.#probe();
    return this.#write(key, body, condition);
  }

  async delete(key: string): Promise<void> {
    const input = this.#locate(key);
    try {
      await this.#client.send(new DeleteObjectCommand(input));
    } catch (error) {
      throw this.#failure(error, key, 's3:DeleteObject');
    }
  }

  async list(prefix: string): Promise<string[]> {
    return (await this.entries(prefix)).map(({ key }) => key);
  }

  async entries(prefix: string): Promise<ListedObject[]> {
    const { Bucket, Key } = this.#locate(prefix);
    const pages = paginateListObjectsV2({ client: this.#client }, { Bucket, Prefix: `${Key}/` });
    const start = this.#address.prefix.length;
    const found: ListedObject[] = [];
    try {
      for await (const { Contents = [] } of pages) {
        found.push(...Contents.map(({ Key = '', ETag = '' }) => ({ key: Key.slice(start), etag: ETag })));
      }
    } catch (error) {
      throw this.#failure(error, prefix, 's3:ListBucket');
    }
    return found.sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  async #write(key: string, body: string | Buffer, condition?: PutCondition): Promise<PutResult> {
    const headers = { ...headersOf(key, this.#address), ...conditionOf(condition) };
    const input = { ...this.#locate(key), Body: body, ...headers };
    try {
      const { ETag = '' } = await this.#client.send(new PutObjectCommand(input));
      return { etag: ETag };
    } catch (error) {
      if (!isConditionFailed(error, condition)) throw this.#failure(error, key, writeActionOf(this.#address));
      return attemptsOf(error) > 1 ? this.#ownWrite(key, body) : 'precondition-failed';
    }
  }

  /** After a lost answer the SDK tries again: the object that fails the condition then may be the one we wrote. */
  async #ownWrite(key: string, body: string | Buffer): Promise<PutResult> {
    const found = await this.get(key);
    const isOurs = found?.body.equals(Buffer.from(body));
    return found !== undefined && isOurs ? { etag: found.etag } : 'precondition-failed';
  }

  /** @throws TypeError for what is no key */
  #locate(key: string): { Bucket: string; Key: string } {
    const { bucket, prefix } = this.#address;
    return { Bucket: bucket, Key: `${prefix}${keySegments(key).join('/')}` };
  }

  #failure(error: unknown, key: string, action: string): BucketError {
    return bucketFailure(error, `${this.url}${key}`, action);
  }
}

function conditionOf(condition: PutCondition | undefined): Partial<PutObjectCommandInput> {
  if (condition === undefined) return {};
  return 'ifMatch' in condition ? { IfMatch: condition.ifMatch } : { IfNoneMatch: condition.ifNoneMatch };
}

function attemptsOf(error: unknown): number {
  return (error as { $metadata?: { attempts?: number } }).$metadata?.attempts ?? 1;
}

/** No cache may keep it: every object is a secret, or conditional. */
function headersOf(key: string, address: S3Address): Partial<PutObjectCommandInput> {
  const { kmsKeyId } = address;
  return {
    ContentType: contentTypeOf(key),
    CacheControl: 'no-store',
    ServerSideEncryption: kmsKeyId === undefined ? undefined : 'aws:kms',
    SSEKMSKeyId: kmsKeyId,
    BucketKeyEnabled: kmsKeyId === undefined ? undefined : true,
    Tagging: tagsOf(address),
  };
}

function contentTypeOf(key: string): string {
  if (key.endsWith('.json')) return 'application/json';
  return key.endsWith('.pem') ? 'application/x-pem-file' : 'application/octet-stream';
}
