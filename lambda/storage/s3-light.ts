/**
 * The two verbs of the bucket that hosts and the responder need, without the SDK: an agent stays resident on every host, the
 * responder starts cold while a CA waits. Held to the port's suite as far as it goes.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { crc32 } from 'node:zlib';
import { type S3Address, tagsOf, writeActionOf } from './address.ts';
import { type Bucket, type HostBucket, keySegments, type PutCondition } from './bucket.ts';
import { credentialsOf, type Environment, regionOf } from './s3-credentials.ts';
import { bucketFailure, isConditionFailed, s3ErrorName } from './s3-failure.ts';
import { type S3Answer, type S3Request, type SendToS3, signedSender } from './signed-request.ts';

/** As the SDK does: three attempts where S3 did not answer, or asked for patience. */
const PAUSES_MS = [100, 500];

export function openLightBucket(address: S3Address, env: Environment): HostBucket {
  const region = address.region === undefined ? regionOf(env) : async () => address.region as string;
  const send = persistent(signedSender(credentialsOf(env), region));
  const { bucket, prefix } = address;
  const place = (key: string) => `s3://${bucket}/${prefix}${key}`;
  const pathOf = (key: string) => `${prefix}${keySegments(key).join('/')}`;

  async function ask(path: string, request: Omit<S3Request, 'url'>): Promise<S3Answer> {
    const answer = await send({ ...request, url: await urlOf(address, path, env, region) });
    if (answer.status === 200 || answer.status === 304) return answer;
    throw errorOf(answer);
  }

  return {
    url: place(''),
    get: (async (key: string, condition?: { ifNoneMatch: string }) => {
      const path = pathOf(key);
      const isNew = condition && { 'if-none-match': condition.ifNoneMatch };
      try {
        const answer = await ask(path, {
          method: 'GET',
          headers: { 'x-amz-checksum-mode': 'ENABLED', ...isNew },
        });
        if (answer.status === 304) return 'not-modified';
        if (isDamaged(answer)) throw new Error('checksum mismatch');
        return { body: answer.body, etag: answer.headers['etag'] ?? '' };
      } catch (error) {
        if (s3ErrorName(error) === 'NoSuchKey') return undefined;
        throw bucketFailure(error, place(key), 's3:GetObject');
      }
    }) as Bucket['get'],
    put: async (key, text, condition) => {
      const path = pathOf(key);
      const body = Buffer.from(text);
      const headers = {
        ...{ 'content-type': 'application/json', 'cache-control': 'no-store' },
        'x-amz-checksum-crc32': checksumOf(body),
        ...conditionOf(condition),
        ...encryptionOf(address),
        ...taggingOf(address),
      };
      try {
        const answer = await ask(path, { method: 'PUT', headers, body });
        return { etag: answer.headers['etag'] ?? '' };
      } catch (error) {
        if (isConditionFailed(error, condition)) return 'precondition-failed';
        throw bucketFailure(error, place(key), writeActionOf(address));
      }
    },
  };
}

function persistent(send: SendToS3): SendToS3 {
  return async (request: S3Request) => {
    for (const pause of PAUSES_MS) {
      const answer = await send(request).catch((error: unknown) => {
        if (isOurs(error)) throw error;
        return undefined;
      });
      if (answer !== undefined && answer.status < 500) return answer;
      await sleep(pause);
    }
    return send(request);
  };
}

/** No credentials, no region: another attempt would find as little. */
function isOurs(error: unknown): boolean {
  return /(Provider|Fallback)Error$/.test(s3ErrorName(error));
}

/** Virtual-hosted, as AWS wants it; path style for other endpoints, and for names that no certificate of AWS fits. */
async function urlOf(
  address: S3Address,
  path: string,
  env: Environment,
  region: () => Promise<string>,
): Promise<URL> {
  const { bucket } = address;
  const escaped = path.split('/').map(encodeURIComponent).join('/');
  const endpoint = address.endpoint ?? env['AWS_ENDPOINT_URL_S3'] ?? env['AWS_ENDPOINT_URL'];
  if (endpoint !== undefined) {
    const base = new URL(endpoint);
    if (address.pathStyle !== false) return new URL(`/${bucket}/${escaped}`, base);
    return new URL(`${base.protocol}//${bucket}.${base.host}/${escaped}`);
  }
  const name = await region();
  const suffix = name.startsWith('cn-') ? 'amazonaws.com.cn' : 'amazonaws.com';
  const isPathStyle = address.pathStyle === true || bucket.includes('.');
  return isPathStyle
    ? new URL(`https://s3.${name}.${suffix}/${bucket}/${escaped}`)
    : new URL(`https://${bucket}.s3.${name}.${suffix}/${escaped}`);
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

/** S3 keeps the CRC-32 that came with an object, and tells it to whoever reads. */
function isDamaged({ headers, body }: S3Answer): boolean {
  const wanted = headers['x-amz-checksum-crc32'];
  return wanted !== undefined && wanted !== checksumOf(body);
}

function checksumOf(body: Buffer): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(crc32(body));
  return bytes.toString('base64');
}

/** In the shape of the SDK's errors: name, status, request. Of the XML only the code is wanted, which has no markup in it. */
function errorOf({ status, headers, body }: S3Answer): Error {
  const text = body.toString('utf8');
  const code = /<Code>([A-Za-z0-9.]+)<\/Code>/.exec(text)?.[1] ?? `HTTP ${status}`;
  const message = /<Message>([^<]{0,500})<\/Message>/.exec(text)?.[1] ?? '';
  const $metadata = { httpStatusCode: status, requestId: headers['x-amz-request-id'] };
  return Object.assign(new Error(message), { name: code, $metadata });
}
