/**
 * The bucket in S3, or in a store that speaks S3 and keeps conditional writes. Credentials, region and endpoint come
 * from the SDK's standard chain (environment, profile, container, instance metadata); the address may say more.
 */
import {
  DeleteObjectCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  type ListObjectsV2CommandInput,
  type ListObjectsV2CommandOutput,
  PutObjectCommand,
  type PutObjectCommandInput,
  S3Client,
} from '@aws-sdk/client-s3';
import { BOUND, boundedAnswer } from '#common/net/bounded-answer.ts';
import { once } from '#common/once.ts';
import { BucketError } from '#contract/errors.ts';
import { MAX_LISTED_KEYS, maxBytesOf } from '#contract/limits.ts';
import { checkEndpoint, type S3Address, tagsOf, writeActionOf } from './address.ts';
import {
  answerTimeOf,
  type Bucket,
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
import { bucketFailure, isConditionFailed, s3ErrorName, statusOf } from './failure.ts';
import { sdkCredentials } from './metadata/sdk-credentials.ts';
import { probeConditions } from './probe.ts';
import { createProcessLock } from './process-lock.ts';
import { eraseVersions } from './versions/s3-versions.ts';

/** Limits of one attempt; the SDK makes three. Of `requestTimeout` a body has as much again. */
const TIMEOUTS = { connectionTimeout: 5_000, requestTimeout: 20_000, throwOnRequestTimeout: true };
/** Of an answer that is no object. A page of a listing has 1,000 keys of 1,024 bytes at most, escaped. */
const ANSWER_BYTES = 8_388_608;
/** Pages of a listing, full or not: a store may always promise another one. */
const MAX_PAGES = 200;

export class S3Bucket implements Bucket {
  readonly url: string;
  /** S3 has no lock among processes: see the port. */
  readonly exclusively = createProcessLock();
  readonly #address: S3Address;
  readonly #client: S3Client;
  #answeredAt: Date | undefined;
  /** Before the first conditional write of the process. */
  readonly #probe: () => Promise<void>;

  constructor(address: S3Address) {
    const { bucket, prefix, endpoint, region, pathStyle } = address;
    this.url = `s3://${bucket}/${prefix}`;
    this.#address = address;
    // The type of the configuration takes no `undefined`.
    this.#client = new S3Client({
      credentials: sdkCredentials(),
      ...(endpoint !== undefined && { endpoint }),
      ...(region !== undefined && { region }),
      ...(pathStyle !== undefined && { forcePathStyle: pathStyle }),
      requestHandler: TIMEOUTS,
    });
    this.#client.middlewareStack.add(
      answerTime((time) => {
        this.#answeredAt = time;
      }),
      { step: 'deserialize', priority: 'low', name: 'answerTime' },
    );
    this.#client.middlewareStack.add(onlyTo(address, this.url), {
      ...{ step: 'build', priority: 'low', name: 'onlyToAllowedEndpoint' },
    });
    this.#probe = once(() =>
      probeConditions(
        this.url,
        (...write) => this.#write(...write),
        (key) => this.delete(key),
      ),
    );
  }

  get answeredAt(): Date | undefined {
    return this.#answeredAt;
  }

  get(key: string, options?: ReadLimit): Promise<StoredObject | undefined>;
  get(key: string, options: ConditionalRead): Promise<StoredObject | 'not-modified' | undefined>;
  async get(
    key: string,
    { ifNoneMatch, maxBytes = maxBytesOf(key) }: Partial<ConditionalRead> = {},
  ): Promise<StoredObject | 'not-modified' | undefined> {
    const command = new GetObjectCommand({ ...this.#locate(key), IfNoneMatch: ifNoneMatch });
    command.middlewareStack.add(boundedAnswer(maxBytes, ANSWER_BYTES), BOUND);
    try {
      const { Body, ETag = '' } = await this.#client.send(command);
      const bytes = (await Body?.transformToByteArray()) ?? new Uint8Array();
      // The same memory: a copy of a large object counts.
      return { body: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), etag: ETag };
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
    const command = new DeleteObjectCommand(this.#locate(key));
    command.middlewareStack.add(boundedAnswer(ANSWER_BYTES, ANSWER_BYTES), BOUND);
    try {
      await this.#client.send(command);
    } catch (error) {
      throw this.#failure(error, key, 's3:DeleteObject');
    }
  }

  async erase(key: string, what: 'all' | 'earlier'): Promise<void> {
    if (what === 'all') await this.delete(key);
    await eraseVersions(this.#client, this.#locate(key), what).catch((error: unknown) => {
      throw this.#failure(error, key, 's3:ListBucketVersions, s3:DeleteObjectVersion');
    });
  }

  async list(prefix: string): Promise<string[]> {
    return (await this.entries(prefix)).map(({ key }) => key);
  }

  async entries(prefix: string): Promise<ListedObject[]> {
    const start = this.#address.prefix.length;
    const pages = await this.#pagesOf(prefix, {}, ({ Contents = [] }) =>
      Contents.map(({ Key = '', ETag = '', LastModified = new Date(0) }) => {
        return { key: Key.slice(start), etag: ETag, modifiedAt: LastModified };
      }),
    );
    return pages.sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  async folders(prefix: string): Promise<string[]> {
    const length = this.#locate(prefix).Key.length + 1;
    // An object directly below `prefix` counts, but is no folder.
    const listed = await this.#pagesOf(
      prefix,
      { Delimiter: '/' },
      ({ Contents = [], CommonPrefixes = [] }) => [
        ...Contents.map(() => ''),
        ...CommonPrefixes.map(({ Prefix = '' }) => Prefix.slice(length, -1)),
      ],
    );
    return listed.filter((folder) => folder !== '').sort();
  }

  async listAfter(prefix: string, after: string, max: number) {
    const { Bucket, Key } = this.#locate(prefix);
    const start = this.#address.prefix.length;
    const from = after === '' ? undefined : this.#locate(after).Key;
    const input = { Bucket, Prefix: `${Key}/`, StartAfter: from, MaxKeys: max };
    const { Contents = [] } = await this.#listPage(input, prefix);
    return Contents.map(({ Key = '', Size = 0, LastModified = new Date(0) }) => {
      return { key: Key.slice(start), size: Size, modifiedAt: LastModified };
    });
  }

  /** All pages of a listing. @param rowsOf what counts towards `MAX_LISTED_KEYS` */
  async #pagesOf<T>(
    prefix: string,
    options: Pick<ListObjectsV2CommandInput, 'Delimiter'>,
    rowsOf: (page: ListObjectsV2CommandOutput) => T[],
  ): Promise<T[]> {
    const { Bucket, Key } = this.#locate(prefix);
    const listed: T[] = [];
    let after: string | undefined;
    for (let page = 0; page < MAX_PAGES; page += 1) {
      const input = { Bucket, Prefix: `${Key}/`, ContinuationToken: after, ...options };
      const answer = await this.#listPage(input, prefix);
      for (const row of rowsOf(answer)) listed.push(row);
      if (listed.length > MAX_LISTED_KEYS) break;
      if (answer.NextContinuationToken === undefined) return listed;
      after = answer.NextContinuationToken;
    }
    throw tooManyKeys(`${this.url}${prefix}`);
  }

  async #listPage(input: ListObjectsV2CommandInput, prefix: string): Promise<ListObjectsV2CommandOutput> {
    const command = new ListObjectsV2Command(input);
    command.middlewareStack.add(boundedAnswer(ANSWER_BYTES, ANSWER_BYTES), BOUND);
    try {
      return await this.#client.send(command);
    } catch (error) {
      throw this.#failure(error, prefix, 's3:ListBucket');
    }
  }

  async #write(key: string, body: string | Buffer, condition?: PutCondition): Promise<PutResult> {
    const headers = { ...headersOf(key, this.#address), ...conditionOf(condition) };
    checkSize(this.url, key, body);
    const command = new PutObjectCommand({ ...this.#locate(key), Body: body, ...headers });
    command.middlewareStack.add(boundedAnswer(ANSWER_BYTES, ANSWER_BYTES), BOUND);
    try {
      const { ETag = '' } = await this.#client.send(command);
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
    return error instanceof BucketError ? error : bucketFailure(error, `${this.url}${key}`, action);
  }
}

/** The SDK hands an answer that it takes for an error to nobody: this reads the header of each. */
function answerTime(note: (time: Date | undefined) => void) {
  return <Args extends object, Output extends { response: unknown }>(next: (args: Args) => Promise<Output>) =>
    async (args: Args): Promise<Output> => {
      const result = await next(args);
      note(answerTimeOf((result.response as SdkResponse).headers['date']));
      return result;
    };
}

/**
 * The SDK may have its endpoint from where we have not looked, such as a shared configuration file.
 * @throws BucketError `ERR_BUCKET_URL` before anything is sent
 */
function onlyTo({ isInsecure }: S3Address, url: string) {
  return <Args extends { request: unknown }, Output>(next: (args: Args) => Promise<Output>) =>
    async (args: Args): Promise<Output> => {
      const { protocol, hostname, port } = args.request as SdkRequest;
      checkEndpoint(`${protocol}//${hostname}${port === undefined ? '' : `:${port}`}`, { isInsecure, url });
      return next(args);
    };
}

/** What this file reads of the SDK's HTTP request. */
interface SdkRequest {
  protocol: string;
  hostname: string;
  port?: number;
}

/** What this file reads of the SDK's HTTP response. */
interface SdkResponse {
  statusCode: number;
  headers: Record<string, string>;
  body: unknown;
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
  if (key.endsWith('.html')) return 'text/html; charset=utf-8';
  return key.endsWith('.pem') ? 'application/x-pem-file' : 'application/octet-stream';
}
