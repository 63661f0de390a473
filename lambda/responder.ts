/**
 * Handler of the Lambda function URL (payload format 2.0): serves key authorizations for HTTP-01 (RFC 8555
 * §8.3) and nothing else. It is public, so it reads one prefix and reflects nothing.
 */
import { once } from '#common/once.ts';
import { BucketError } from '#contract/errors.ts';
import { layout, TOKEN } from '#contract/layout.ts';
import type { HostBucket, StoredObject } from '#storage/bucket.ts';
import { openWithoutSdk } from '#storage/open-without-sdk.ts';
import { withAnswerMemory } from './challenge/answer-memory.ts';
import { readSecretParameter, type SecretCheck, secretCheck } from './challenge/responder-secret.ts';
import { SECRET_HEADER } from './challenge/secret-names.ts';

/** The fields of the event that the responder reads. A caller that may invoke the function can send any JSON. */
export interface FunctionUrlEvent {
  rawPath?: unknown;
  /** Names in lower case. */
  headers?: Record<string, unknown> | null;
  requestContext?: { http?: { method?: unknown } | null } | null;
}

export interface FunctionUrlResult {
  statusCode: number;
  headers: Record<string, string>;
  body: string;
}

const PREFIX = '/.well-known/acme-challenge/';

export async function respondTo(
  bucket: Pick<HostBucket, 'get'>,
  event: FunctionUrlEvent | null,
): Promise<FunctionUrlResult> {
  const method = event?.requestContext?.http?.method;
  if (method !== 'GET' && method !== 'HEAD') {
    return result(405, 'method not allowed\n', { allow: 'GET, HEAD' });
  }
  const path = event?.rawPath;
  if (typeof path !== 'string' || !path.startsWith(PREFIX)) return result(404, 'not found\n');
  const token = path.slice(PREFIX.length);
  if (!TOKEN.test(token)) return result(400, 'not a token\n');
  const object = await readToken(bucket, token);
  if (object === undefined) return result(404, 'not found\n');
  // RFC 8555 §8.3: application/octet-stream is what validators expect; no cache may answer in our place.
  return result(200, method === 'HEAD' ? '' : object.body.toString('ascii'), {
    'content-type': 'application/octet-stream',
  });
}

/** The function's role may read tokens and list nothing: S3 denies such a role what does not exist. */
async function readToken(bucket: Pick<HostBucket, 'get'>, token: string): Promise<StoredObject | undefined> {
  try {
    return await bucket.get(layout.challenge(token));
  } catch (error) {
    if (error instanceof BucketError && error.code === 'ERR_BUCKET_DENIED') return undefined;
    throw error;
  }
}

/** An execution environment lives for hours and opens its bucket once. */
const bucket = once(async () =>
  withAnswerMemory(await openWithoutSdk(process.env['PEMFLEET_BUCKET'] ?? '', process.env)),
);

/**
 * Where the URL is closed: a request that does not come through HAProxy costs its invocation, and reads nothing.
 * @throws Error where the secret was never readable: Lambda logs it and answers 502
 */
export async function respondToHaproxy(
  isSecret: SecretCheck,
  event: FunctionUrlEvent | null,
  respond: () => Promise<FunctionUrlResult>,
): Promise<FunctionUrlResult> {
  const isHaproxy = await isSecret(event?.headers?.[SECRET_HEADER]);
  return isHaproxy ? respond() : result(403, 'forbidden\n');
}

const secretParameter = process.env['PEMFLEET_RESPONDER_SECRET_PARAMETER'];
const isSecret = secretParameter && secretCheck(() => readSecretParameter(secretParameter, process.env));

/** Entry point on Lambda. */
export async function handler(event: FunctionUrlEvent | null): Promise<FunctionUrlResult> {
  const respond = async () => respondTo(await bucket(), event);
  return isSecret ? respondToHaproxy(isSecret, event, respond) : respond();
}

function result(statusCode: number, body: string, headers: Record<string, string> = {}): FunctionUrlResult {
  const common = {
    'cache-control': 'no-store',
    'content-type': 'text/plain; charset=utf-8',
    'x-content-type-options': 'nosniff',
  };
  return { statusCode, headers: { ...common, ...headers }, body };
}
