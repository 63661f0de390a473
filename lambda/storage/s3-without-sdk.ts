/**
 * S3 without the SDK, for programs that must be small: an agent stays resident on every host, the responder starts
 * cold while a CA waits. It has the port's verbs that these two need; the port's suite holds it to them.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { crc32 } from 'node:zlib';
import { dnsSuffix } from '#common/net/dns-suffix.ts';
import type { BucketError } from '#contract/errors.ts';
import { maxBytesOf } from '#contract/limits.ts';
import { checkEndpoint, endpointIn, type S3Address, tagsOf, writeActionOf } from './address.ts';
import {
  answerTimeOf,
  type ConditionalRead,
  checkSize,
  type HostBucket,
  keySegments,
  type PutCondition,
  type PutResult,
  type ReadLimit,
  type StoredObject,
} from './bucket.ts';
import { bucketFailure, isConditionFailed, s3ErrorName } from './failure.ts';
import { credentialsOf, type Environment, regionOf } from './s3-credentials.ts';
import { type SendSigned, type SignedAnswer, type SignedRequest, signedSender } from './signed-request.ts';

/** As the SDK does: three attempts where S3 gave no answer, or asked for patience. */
const PAUSES_MS = [100, 500];

export class S3WithoutSdk implements HostBucket {
  readonly url: string;
  readonly #address: S3Address;
  readonly #env: Environment;
  readonly #region: () => Promise<string>;
  readonly #send: SendSigned;
  #answeredAt: Date | undefined;

  constructor(address: S3Address, env: Environment) {
    const { bucket, prefix, region } = address;
    this.url = `s3://${bucket}/${prefix}`;
    checkEndpoint(address.endpoint ?? endpointIn(env) ?? '', { ...address, url: this.url });
    this.#address = address;
    this.#env = env;
    this.#region = region === undefined ? regionOf(env) : async () => region;
    this.#send = persistent(signedSender(credentialsOf(env), this.#region));
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
    const headers: Record<string, string> = { 'x-amz-checksum-mode': 'ENABLED' };
    if (ifNoneMatch !== undefined) headers['if-none-match'] = ifNoneMatch;
    const path = this.#pathOf(key);
    try {
      const answer = await this.#ask(path, { method: 'GET', headers, maxBytes });
      if (answer.status === 304) return 'not-modified';
      if (isDamaged(answer)) throw new Error('checksum mismatch');
      return { body: answer.body, etag: answer.headers['etag'] ?? '' };
    } catch (error) {
      if (s3ErrorName(error) === 'NoSuchKey') return undefined;
      throw this.#failure(error, key, 's3:GetObject');
    }
  }

  async put(key: string, text: string | Buffer, condition?: PutCondition): Promise<PutResult> {
    checkSize(this.url, key, text);
    const body = Buffer.from(text);
    const headers = {
      'content-type': 'application/json',
      'cache-control': 'no-store',
      'x-amz-checksum-crc32': checksumOf(body),
      ...conditionOf(condition),
      ...encryptionOf(this.#address),
      ...taggingOf(this.#address),
    };
    const path = this.#pathOf(key);
    try {
      const answer = await this.#ask(path, { method: 'PUT', headers, body });
      return { etag: answer.headers['etag'] ?? '' };
    } catch (error) {
      if (isConditionFailed(error, condition)) return 'precondition-failed';
      throw this.#failure(error, key, writeActionOf(this.#address));
    }
  }

  /** @throws TypeError for what is no key */
  #pathOf(key: string): string {
    return `${this.#address.prefix}${keySegments(key).join('/')}`;
  }

  async #ask(path: string, request: Omit<SignedRequest, 'url'>): Promise<SignedAnswer> {
    const answer = await this.#send({ ...request, url: await this.#urlOf(path) });
    this.#answeredAt = answerTimeOf(answer.headers['date']);
    if (answer.status === 200 || answer.status === 304) return answer;
    throw sdkErrorOf(answer);
  }

  /** Virtual-hosted, as AWS wants it; path style for other endpoints, and for names that AWS's certificate does not fit. */
  async #urlOf(path: string): Promise<URL> {
    const { bucket, endpoint: configured, pathStyle } = this.#address;
    const escaped = path.split('/').map(encodeURIComponent).join('/');
    const endpoint = configured ?? endpointIn(this.#env);
    if (endpoint !== undefined) {
      const base = new URL(endpoint);
      if (pathStyle !== false) return new URL(`/${bucket}/${escaped}`, base);
      return new URL(`${base.protocol}//${bucket}.${base.host}/${escaped}`);
    }
    const region = await this.#region();
    const suffix = dnsSuffix(region);
    return pathStyle === true || bucket.includes('.')
      ? new URL(`https://s3.${region}.${suffix}/${bucket}/${escaped}`)
      : new URL(`https://${bucket}.s3.${region}.${suffix}/${escaped}`);
  }

  #failure(error: unknown, key: string, action: string): BucketError {
    return bucketFailure(error, `${this.url}${key}`, action);
  }
}

function persistent(send: SendSigned): SendSigned {
  return async (request: SignedRequest) => {
    for (const pauseMs of PAUSES_MS) {
      const answer = await send(request).catch((error: unknown) => {
        if (isOurs(error)) throw error;
        return undefined;
      });
      if (answer !== undefined && answer.status < 500) return answer;
      await sleep(pauseMs);
    }
    return send(request);
  };
}

/** No credentials, no region, an object that is too large: another attempt would come to the same. */
function isOurs(error: unknown): boolean {
  return /(Provider|Fallback)Error$|^BodyTooLarge$/.test(s3ErrorName(error));
}

function conditionOf(condition: PutCondition | undefined): Record<string, string> {
  if (condition === undefined) return {};
  return 'ifMatch' in condition
    ? { 'if-match': condition.ifMatch }
    : { 'if-none-match': condition.ifNoneMatch };
}

function encryptionOf({ kmsKeyId }: S3Address): Record<string, string> {
  if (kmsKeyId === undefined) return {};
  return {
    'x-amz-server-side-encryption': 'aws:kms',
    'x-amz-server-side-encryption-aws-kms-key-id': kmsKeyId,
    'x-amz-server-side-encryption-bucket-key-enabled': 'true',
  };
}

function taggingOf(address: S3Address): Record<string, string> {
  const tags = tagsOf(address);
  return tags === undefined ? {} : { 'x-amz-tagging': tags };
}

/** S3 keeps the CRC-32 that came with an object, and sends it to readers. */
function isDamaged({ headers, body }: SignedAnswer): boolean {
  const wanted = headers['x-amz-checksum-crc32'];
  return wanted !== undefined && wanted !== checksumOf(body);
}

function checksumOf(body: Buffer): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(crc32(body));
  return bytes.toString('base64');
}

/** An error in the shape of the SDK's, which failure.ts reads. Code and message of the XML have no markup in them. */
function sdkErrorOf({ status, headers, body }: SignedAnswer): Error {
  const text = body.toString('utf8');
  const code = /<Code>([A-Za-z0-9.]+)<\/Code>/.exec(text)?.[1] ?? `HTTP ${status}`;
  const message = /<Message>([^<]{0,500})<\/Message>/.exec(text)?.[1] ?? '';
  const $metadata = { httpStatusCode: status, requestId: headers['x-amz-request-id'] };
  return Object.assign(new Error(message), { name: code, $metadata });
}
