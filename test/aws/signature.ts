// Signature Version 4, checked by signing the request once more with the SDK's own signer.
import { createHash, timingSafeEqual } from 'node:crypto';
import { Sha256 } from '@aws-crypto/sha256-js';
import { SignatureV4 } from '@smithy/signature-v4';
import { type AuthenticationFault, authenticationFailure } from './failure.ts';
import type { Credentials } from './identity.ts';
import { AwsFailure, type Protocol } from './wire.ts';

/** What the Authorization header says; nothing of it is proven yet. */
export interface Claim {
  accessKeyId: string;
  region: string;
  service: string;
  signedHeaders: readonly string[];
  signature: string;
}

/** A request as it came. */
export interface SignedRequest {
  method: string;
  path: string;
  query: Record<string, string>;
  headers: Record<string, string>;
  body: Buffer;
}

const form =
  /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/([^/]+)\/aws4_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/;

export function readClaim({ authorization = '' }: Record<string, string>): Claim | undefined {
  const match = form.exec(authorization);
  if (!match) return undefined;
  const [accessKeyId = '', , region = '', service = '', signed = '', signature = ''] = match.slice(1);
  return { accessKeyId, region, service, signedHeaders: signed.split(';'), signature };
}

/** Throws the refusal that AWS would give. */
export async function verifySignature(
  request: SignedRequest,
  claim: Claim,
  credentials: Credentials | undefined,
  { protocol, now }: { protocol: Protocol; now: Date },
): Promise<void> {
  const refuse = (fault: AuthenticationFault): never => {
    throw authenticationFailure(protocol, fault);
  };
  if (!credentials) return refuse('unknown-id');
  const token = request.headers['x-amz-security-token'];
  if (token !== credentials.sessionToken) return refuse('token');
  const mustBeSigned = (name: string) =>
    name === 'host' || (name.startsWith('x-amz-') && name !== 'x-amz-user-agent');
  const unsigned = Object.keys(request.headers).some(
    (name) => mustBeSigned(name) && !claim.signedHeaders.includes(name),
  );
  if (unsigned) return refuse('unsigned-header');
  const at = readAmzDate(request.headers['x-amz-date']);
  if (!at) return refuse('missing');
  // S3 allows fifteen minutes, the others five
  const allowedMs = (protocol === 's3' ? 15 : 5) * 60_000;
  if (Math.abs(at.getTime() - now.getTime()) > allowedMs) return refuse('skewed');
  const expected = await signatureOf(request, claim, credentials, { signingDate: at, protocol });
  if (!timingSafeEqual(Buffer.from(expected), Buffer.from(claim.signature))) return refuse('signature');
  verifyPayloadHash(request, protocol);
  if (credentials.expiresAt && credentials.expiresAt <= now) return refuse('expired-token');
}

async function signatureOf(
  { headers, body, ...request }: SignedRequest,
  { region, service, signedHeaders }: Claim,
  { accessKeyId, secretAccessKey }: Credentials,
  { signingDate, protocol }: { signingDate: Date; protocol: Protocol },
): Promise<string> {
  const isSigned = ([name]: [string, string]) => signedHeaders.includes(name);
  const signer = new SignatureV4({
    service,
    region,
    // the token, where there is one, stands among the signed headers already
    credentials: { accessKeyId, secretAccessKey },
    sha256: Sha256,
    uriEscapePath: protocol !== 's3',
    applyChecksum: false,
  });
  const signed = await signer.sign(
    {
      ...{ ...request, body, protocol: 'http:', hostname: headers['host'] ?? '' },
      headers: Object.fromEntries(Object.entries(headers).filter(isSigned)),
    },
    { signingDate, signableHeaders: new Set(signedHeaders) },
  );
  return readClaim({ authorization: signed.headers['authorization'] ?? '' })?.signature ?? '';
}

function readAmzDate(text = ''): Date | undefined {
  const match = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(text);
  if (!match) return undefined;
  const [year, month, day, hour, minute, second] = match.slice(1);
  return new Date(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
}

const unhashed = ['UNSIGNED-PAYLOAD', 'STREAMING-UNSIGNED-PAYLOAD-TRAILER'];

function verifyPayloadHash({ headers, body }: SignedRequest, protocol: Protocol): void {
  const claimed = headers['x-amz-content-sha256'];
  if (claimed === undefined) {
    if (protocol !== 's3') return;
    throw new AwsFailure(
      400,
      'InvalidRequest',
      'Missing required header for this request: x-amz-content-sha256',
    );
  }
  if (protocol === 's3' && unhashed.includes(claimed)) return;
  if (claimed.startsWith('STREAMING-')) {
    throw new AwsFailure(501, 'NotImplemented', `the stand-in does not know ${claimed}`);
  }
  const actual = createHash('sha256').update(body).digest('hex');
  if (claimed === actual) return;
  const message = "The provided 'x-amz-content-sha256' header does not match what was computed.";
  throw new AwsFailure(400, 'XAmzContentSHA256Mismatch', message);
}
