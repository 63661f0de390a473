// What the responder could be without the SDK: one GetObject, signed by hand. Only measured, not shipped.
import { createHash, createHmac } from 'node:crypto';
import { request as plain } from 'node:http';
import { request as secure } from 'node:https';
import { buffer } from 'node:stream/consumers';
import { SignatureV4 } from '@smithy/signature-v4';
import type { Bucket } from '#contract/bucket/bucket.ts';

/** As Lambda gives them to a function. */
const { AWS_ENDPOINT_URL, AWS_REGION = '', AWS_ACCESS_KEY_ID = '', AWS_SECRET_ACCESS_KEY = '' } = process.env;
const sessionToken = process.env['AWS_SESSION_TOKEN'];

class Sha256 {
  readonly #hash;
  constructor(secret?: string | ArrayBuffer | ArrayBufferView) {
    this.#hash = secret === undefined ? createHash('sha256') : createHmac('sha256', bytesOf(secret));
  }
  update(data: string | ArrayBuffer | ArrayBufferView): void {
    this.#hash.update(bytesOf(data));
  }
  async digest(): Promise<Uint8Array> {
    return this.#hash.digest();
  }
  reset(): void {
    throw new TypeError('never asked for');
  }
}

function bytesOf(data: string | ArrayBuffer | ArrayBufferView): Uint8Array {
  if (typeof data === 'string') return Buffer.from(data);
  return ArrayBuffer.isView(data)
    ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
    : new Uint8Array(data);
}

const signer = new SignatureV4({
  ...{ service: 's3', region: AWS_REGION, sha256: Sha256, uriEscapePath: false },
  credentials: {
    ...{ accessKeyId: AWS_ACCESS_KEY_ID, secretAccessKey: AWS_SECRET_ACCESS_KEY },
    ...(sessionToken && { sessionToken }),
  },
});

export async function openBucket(url: string): Promise<Pick<Bucket, 'get'>> {
  const name = new URL(url).host;
  const at = new URL(AWS_ENDPOINT_URL ?? `https://${name}.s3.${AWS_REGION}.amazonaws.com`);
  const get = async (key: string) => {
    const path = AWS_ENDPOINT_URL === undefined ? `/${key}` : `/${name}/${key}`;
    const unsigned = {
      ...{ method: 'GET', protocol: at.protocol, hostname: at.hostname, path, query: {} },
      headers: { host: at.host, 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' },
    };
    const { headers } = await signer.sign(unsigned);
    const send = at.protocol === 'http:' ? plain : secure;
    const response = await new Promise<import('node:http').IncomingMessage>((resolve, reject) => {
      send({ hostname: at.hostname, port: at.port, path, headers }, resolve).on('error', reject).end();
    });
    const body = await buffer(response);
    if (response.statusCode === 200) return { body, etag: response.headers.etag ?? '' };
    if (response.statusCode === 404 || response.statusCode === 403) return undefined;
    throw new Error(`S3 answered ${response.statusCode}`);
  };
  return { get: get as Bucket['get'] };
}
