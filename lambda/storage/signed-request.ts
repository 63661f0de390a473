/**
 * One request to S3, SSM, SNS, EventBridge, IAM, CloudFormation or Lambda, signed by Signature Version 4 and sent by Node's own HTTP: what a poll needs of the SDK, in a
 * tenth of its size.
 */
import { createHash, createHmac, type Hash, type Hmac } from 'node:crypto';
import { request as sendPlain } from 'node:http';
import { request as sendTls } from 'node:https';
import { SignatureV4 } from '@smithy/signature-v4';
import type { AwsCredentialIdentityProvider, Checksum, SourceData } from '@smithy/types';
import { readBody } from '#common/bounded-body.ts';
import { MINUTE_MS, SECOND_MS } from '#common/time.ts';

export interface SignedRequest {
  method: 'GET' | 'PUT' | 'POST';
  /** Of S3, without a query: path-style or virtual-hosted. */
  url: URL;
  headers: Record<string, string>;
  body?: Buffer;
  /** Of the object; every other answer has its own limit. */
  maxBytes?: number;
  /** Default: 20 s. */
  timeoutMs?: number;
}

export interface SignedAnswer {
  status: number;
  headers: Readonly<Record<string, string | undefined>>;
  body: Buffer;
}

export type SendSigned = (request: SignedRequest) => Promise<SignedAnswer>;

/** Of an answer that is no object: an error in XML. */
const ANSWER_BYTES = 65_536;
/** For connection, answer and body together. */
const TIMEOUT_MS = 20 * SECOND_MS;

const KEEP_ALIVE_MS = 60 * SECOND_MS;

/** AWS takes requests that are signed up to 15 minutes off, SSM up to five. */
const SIGNED_SKEW_MS = 4 * MINUTE_MS;

export function signedSender(
  credentials: AwsCredentialIdentityProvider,
  region: () => Promise<string>,
  service: 's3' | 'ssm' | 'sns' | 'events' | 'iam' | 'cloudformation' | 'lambda' = 's3',
): SendSigned {
  const signer = new SignatureV4({
    service,
    credentials,
    region,
    sha256: Sha256,
    // All but S3 take a path that is escaped once more (IAM User Guide, "Create a signed AWS API request").
    uriEscapePath: service !== 's3',
  });
  /** By how much the store's clock is ahead of ours, where it has refused us for it. */
  let offsetMs = 0;
  const attempt: SendSigned = async (request) => {
    const {
      method,
      url,
      headers,
      body = Buffer.alloc(0),
      maxBytes = ANSWER_BYTES,
      timeoutMs = TIMEOUT_MS,
    } = request;
    const unsigned = {
      method,
      protocol: url.protocol,
      hostname: url.hostname,
      path: url.pathname,
      query: Object.fromEntries(url.searchParams),
      ...(url.port && { port: Number(url.port) }),
      headers: {
        ...headers,
        host: url.host,
        'x-amz-content-sha256': createHash('sha256').update(body).digest('hex'),
      },
    };
    const signingDate = new Date(Date.now() + offsetMs);
    const signed = await signer.sign(unsigned, { signingDate });
    return send({ url, method, headers: signed.headers, body, maxBytes, timeoutMs });
  };
  return async (request) => {
    const answer = await attempt(request);
    const storeMs = Date.parse(answer.headers['date'] ?? '');
    const isRefused = answer.status === 403 || answer.status === 400;
    // As the SDK does: a host with a wrong clock reads and reports all the same, and says so.
    if (!isRefused || !(Math.abs(storeMs - Date.now() - offsetMs) > SIGNED_SKEW_MS)) return answer;
    offsetMs = storeMs - Date.now();
    return attempt(request);
  };
}

function send({
  url,
  method,
  headers,
  body,
  maxBytes,
  timeoutMs,
}: Required<SignedRequest>): Promise<SignedAnswer> {
  const open = url.protocol === 'https:' ? sendTls : sendPlain;
  const options = { method, headers: { ...headers, 'content-length': body.length } };
  const signal = AbortSignal.timeout(timeoutMs);
  return new Promise((resolve, reject) => {
    const request = open(url, { ...options, signal }, (response) => {
      const { statusCode: status = 0, headers: received } = response;
      const limit = status === 200 ? maxBytes : ANSWER_BYTES;
      readBody(response, { maxBytes: limit, declared: received['content-length'], signal }).then(
        (read) => resolve({ status, headers: flat(received), body: read }),
        reject,
      );
    });
    // A function may think for minutes: what stands between forgets connections on which nothing moves.
    request.on('socket', (socket) => socket.setKeepAlive(true, KEEP_ALIVE_MS));
    request.on('error', reject).end(body);
  });
}

function flat(headers: NodeJS.Dict<string | string[]>): Record<string, string | undefined> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, value?.toString()]));
}

/** The hash that the signer needs, by OpenSSL instead of JavaScript. */
class Sha256 implements Checksum {
  readonly #secret: SourceData | undefined;
  #hash: Hash | Hmac;
  constructor(secret?: SourceData) {
    this.#secret = secret;
    this.#hash = this.#begin();
  }
  update(data: Uint8Array): void {
    this.#hash.update(data);
  }
  async digest(): Promise<Uint8Array> {
    return this.#hash.digest();
  }
  reset(): void {
    this.#hash = this.#begin();
  }
  #begin(): Hash | Hmac {
    return this.#secret === undefined ? createHash('sha256') : createHmac('sha256', bytesOf(this.#secret));
  }
}

function bytesOf(data: SourceData): Uint8Array {
  if (typeof data === 'string') return Buffer.from(data);
  return ArrayBuffer.isView(data)
    ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
    : new Uint8Array(data);
}
