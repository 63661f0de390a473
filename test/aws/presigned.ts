// Signature Version 4 in the query of an S3 address, computed here by the words of the Amazon S3 API Reference, "Authenticating
// Requests: Using Query Parameters", since the SDK's signer makes the links under test.
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { authenticationFailure } from './failure.ts';
import type { Credentials } from './identity.ts';
import type { Claim, SignedRequest } from './signature.ts';
import { AwsFailure } from './wire.ts';

const WEEK_SECONDS = 604_800;
const CREDENTIAL = /^([^/]+)\/(\d{8})\/([^/]+)\/(s3)\/aws4_request$/;

const malformed = (message: string) => new AwsFailure(400, 'AuthorizationQueryParametersError', message);

/** @returns undefined: the query has no signature */
export function readPresigned({ query }: SignedRequest): Claim | undefined {
  if (query['X-Amz-Algorithm'] === undefined) return undefined;
  const [, accessKeyId, , region, service] = CREDENTIAL.exec(query['X-Amz-Credential'] ?? '') ?? [];
  const { 'X-Amz-SignedHeaders': signed = '', 'X-Amz-Signature': signature = '' } = query;
  if (query['X-Amz-Algorithm'] !== 'AWS4-HMAC-SHA256' || !/^[0-9a-f]{64}$/.test(signature)) {
    throw malformed('X-Amz-Algorithm only supports "AWS4-HMAC-SHA256"');
  }
  if (accessKeyId === undefined || region === undefined || service === undefined) {
    throw malformed('Error parsing the X-Amz-Credential parameter');
  }
  return { accessKeyId, region, service, signedHeaders: signed.split(';'), signature };
}

/** Throws the refusal that S3 would give. */
export function verifyPresigned(
  request: SignedRequest,
  claim: Claim,
  credentials: Credentials | undefined,
  now: Date,
): void {
  if (!credentials) throw authenticationFailure('s3', 'unknown-id');
  const { query } = request;
  if (query['X-Amz-Security-Token'] !== credentials.sessionToken) throw authenticationFailure('s3', 'token');
  const seconds = Number(query['X-Amz-Expires']);
  if (!(seconds > 0 && seconds <= WEEK_SECONDS)) {
    throw malformed('X-Amz-Expires must be less than a week (in seconds)');
  }
  if (!claim.signedHeaders.includes('host')) throw authenticationFailure('s3', 'unsigned-header');
  const expected = signatureOf(request, claim, credentials.secretAccessKey);
  if (!timingSafeEqual(Buffer.from(expected), Buffer.from(claim.signature))) {
    throw authenticationFailure('s3', 'signature');
  }
  const { 'X-Amz-Date': at = '' } = query;
  const begin = Date.parse(at.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'));
  if (!(begin <= now.getTime() + 15 * 60_000)) {
    throw new AwsFailure(403, 'AccessDenied', 'Request is not yet valid');
  }
  if (begin + seconds * 1000 < now.getTime()) {
    throw new AwsFailure(403, 'AccessDenied', 'Request has expired');
  }
  if (credentials.expiresAt && credentials.expiresAt <= now)
    throw authenticationFailure('s3', 'expired-token');
}

/** What the service is to read: the signature is no part of the question. */
export function withoutSignature(request: SignedRequest): SignedRequest {
  const query = Object.entries(request.query).filter(([name]) => !name.startsWith('X-Amz-'));
  return { ...request, query: Object.fromEntries(query) };
}

function signatureOf({ method, path, query, headers }: SignedRequest, claim: Claim, secret: string): string {
  const pairs = Object.entries(query).filter(([name]) => name !== 'X-Amz-Signature');
  const canonicalQuery = pairs
    .map(([name, value]) => `${uriEncode(name)}=${uriEncode(value)}`)
    .sort()
    .join('&');
  const signed = claim.signedHeaders.map((name) => `${name}:${(headers[name] ?? '').trim()}\n`).join('');
  const { 'X-Amz-Date': at = '', 'X-Amz-Content-Sha256': hash = 'UNSIGNED-PAYLOAD' } = query;
  const canonical = [method, path, canonicalQuery, signed, claim.signedHeaders.join(';'), hash].join('\n');
  const scope = [at.slice(0, 8), claim.region, claim.service, 'aws4_request'];
  const digest = createHash('sha256').update(canonical).digest('hex');
  const text = ['AWS4-HMAC-SHA256', at, scope.join('/'), digest].join('\n');
  const key = scope.reduce<Buffer | string>(
    (from, part) => createHmac('sha256', from).update(part).digest(),
    `AWS4${secret}`,
  );
  return createHmac('sha256', key).update(text).digest('hex');
}

const uriEncode = (text: string) =>
  encodeURIComponent(text).replaceAll(
    /[!'()*]/g,
    (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`,
  );
