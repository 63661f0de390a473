// A refusal on the wire, in each of the dialects.
import { type Answer, AwsFailure, type Protocol } from './wire.ts';
import { toXml } from './xml.ts';

export function failureAnswer(protocol: Protocol, failure: AwsFailure, requestId: string): Answer {
  const { status, code, message, fields } = failure;
  if (protocol === 'json') {
    const body = JSON.stringify({ __type: code, message, ...fields });
    return { status, headers: { 'content-type': 'application/x-amz-json-1.1' }, body };
  }
  if (protocol === 'rest') {
    const body = JSON.stringify({ Message: message, message, ...fields });
    return { status, headers: { 'content-type': 'application/json', 'x-amzn-errortype': code }, body };
  }
  const error = { Code: code, Message: message, ...fields };
  const document =
    protocol === 's3'
      ? { Error: { ...error, RequestId: requestId, HostId: requestId } }
      : { ErrorResponse: { Error: { Type: 'Sender', ...error }, RequestId: requestId } };
  return { status, headers: { 'content-type': 'application/xml' }, body: toXml(document) };
}

/** The same refusal has another name and status in each dialect. */
export type AuthenticationFault =
  | 'missing'
  | 'unknown-id'
  | 'signature'
  | 'token'
  | 'expired-token'
  | 'skewed'
  | 'unsigned-header';

type Names = Record<Exclude<Protocol, 'rest'>, readonly [number, string]>;

const names: Record<AuthenticationFault, Names & { message: string }> = {
  missing: {
    s3: [403, 'AccessDenied'],
    xml: [403, 'MissingAuthenticationToken'],
    json: [400, 'MissingAuthenticationTokenException'],
    message: 'Request is missing Authentication Token',
  },
  'unknown-id': {
    s3: [403, 'InvalidAccessKeyId'],
    xml: [403, 'InvalidClientTokenId'],
    json: [400, 'UnrecognizedClientException'],
    message: 'The AWS Access Key Id you provided does not exist in our records.',
  },
  signature: {
    s3: [403, 'SignatureDoesNotMatch'],
    xml: [403, 'SignatureDoesNotMatch'],
    json: [400, 'InvalidSignatureException'],
    message:
      'The request signature we calculated does not match the signature you provided. Check your key and signing method.',
  },
  token: {
    s3: [400, 'InvalidToken'],
    xml: [403, 'InvalidClientTokenId'],
    json: [400, 'UnrecognizedClientException'],
    message: 'The security token included in the request is invalid.',
  },
  'expired-token': {
    s3: [400, 'ExpiredToken'],
    xml: [403, 'ExpiredToken'],
    json: [400, 'ExpiredTokenException'],
    message: 'The provided token has expired.',
  },
  skewed: {
    s3: [403, 'RequestTimeTooSkewed'],
    xml: [403, 'SignatureDoesNotMatch'],
    json: [400, 'InvalidSignatureException'],
    message: 'The difference between the request time and the current time is too large.',
  },
  'unsigned-header': {
    s3: [403, 'AccessDenied'],
    xml: [403, 'SignatureDoesNotMatch'],
    json: [400, 'InvalidSignatureException'],
    message: 'There were headers present in the request which were not signed',
  },
};

/** Only S3: Route 53 has no regions, and clients of the others sign for whatever region they were told. */
export const wrongRegion = (signed: string, expected: string): AwsFailure =>
  new AwsFailure(
    400,
    'AuthorizationHeaderMalformed',
    `The authorization header is malformed; the region '${signed}' is wrong; expecting '${expected}'`,
    { Region: expected },
  );

export function authenticationFailure(protocol: Protocol, fault: AuthenticationFault): AwsFailure {
  const [status, code] = names[fault][protocol === 'rest' ? 'json' : protocol];
  if (protocol === 'rest') return new AwsFailure(403, code, names[fault].message);
  return new AwsFailure(status, code, names[fault].message);
}
