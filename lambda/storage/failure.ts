/** Failures of S3, of the SDK on the way to it, and of a directory, as our coded error with bucket, key and what to do. */
import { BodyTooLarge } from '#common/bounded-body.ts';
import { BucketError, type BucketErrorCode } from '#contract/errors.ts';
import type { PutCondition } from './bucket.ts';

/** What this file reads of the SDK's errors. s3-without-sdk.ts gives its own errors the same shape. */
interface SdkError {
  name?: string;
  message?: string;
  code?: string;
  $metadata?: { httpStatusCode?: number; requestId?: string };
}

export function statusOf(error: unknown): number | undefined {
  return (error as SdkError).$metadata?.httpStatusCode;
}

export function s3ErrorName(error: unknown): string {
  return (error as SdkError).name ?? 'Error';
}

/**
 * 412; 404 for `If-Match` on what is not there; 409 when another conditional write was under way, whatever the store calls it:
 * `ConditionalRequestConflict` and `OperationAborted` (AWS), `ConcurrentModification` (Ceph).
 */
export function isConditionFailed(error: unknown, condition: PutCondition | undefined): boolean {
  if (condition === undefined) return false;
  const status = statusOf(error);
  const isGone = 'ifMatch' in condition && s3ErrorName(error) === 'NoSuchKey';
  return status === 412 || status === 409 || isGone;
}

/** What helps against an object that cannot be read as it is. */
export const REPAIR = 'restore an earlier version, or delete it so that its writer writes it again';

const CREDENTIALS =
  /^(\w*ProviderError|InstanceMetadataV1FallbackError|InvalidAccessKeyId|SignatureDoesNotMatch|ExpiredToken\w*|InvalidToken)$/;

/**
 * Judges both S3 clients' failures: the one without the SDK fakes the shape of the SDK's errors for this.
 * @param url of the object, for the message
 * @param action the permission that the request needs, for example `s3:GetObject`
 */
export function bucketFailure(error: unknown, url: string, action: string): BucketError {
  const { code, says } = judge(error, action);
  const id = (error as SdkError).$metadata?.requestId;
  // The message has all of the cause.
  const options = code === 'ERR_BUCKET_SIZE' ? undefined : { cause: error };
  return new BucketError(code, url, id === undefined ? says : `${says} (request ${id})`, options);
}

function judge(error: unknown, action: string): { code: BucketErrorCode; says: string } {
  const { name = 'Error', message = '', code } = error as SdkError;
  const status = statusOf(error);
  if (name === 'NoSuchBucket') {
    return { code: 'ERR_BUCKET_MISSING', says: 'there is no such bucket; are name and region right?' };
  }
  if (name === 'RequestTimeTooSkewed') {
    return {
      code: 'ERR_BUCKET_CLOCK',
      says: 'S3 refuses requests of this time: set the clock of this machine',
    };
  }
  if (name === 'BodyTooLarge') {
    return { code: 'ERR_BUCKET_SIZE', says: `${message}; ${REPAIR}` };
  }
  if (name === 'InvalidObjectState') {
    const says =
      'is archived (its storage class needs a restore before it can be read); no lifecycle rule may do that';
    return { code: 'ERR_BUCKET_ARCHIVED', says: `${says}: ${REPAIR}` };
  }
  if (CREDENTIALS.test(name)) {
    return {
      code: 'ERR_BUCKET_CREDENTIALS',
      says: `${name}: no usable AWS credentials were found or accepted`,
    };
  }
  if (name.startsWith('KMS.') || /\bkms:|customer master key/i.test(message)) {
    return {
      code: 'ERR_BUCKET_DENIED',
      says: `${action} works, its KMS key does not (${name}): kms:Decrypt to read, kms:GenerateDataKey to write`,
    };
  }
  if (status === 403 || name === 'AccessDenied') {
    return {
      code: 'ERR_BUCKET_DENIED',
      says: `${action} is denied${action === 's3:GetObject' ? ', or there is no such object and s3:ListBucket is not allowed' : ''}`,
    };
  }
  if (name === 'PermanentRedirect' || name === 'AuthorizationHeaderMalformed' || status === 301) {
    return {
      code: 'ERR_BUCKET_MISSING',
      says: 'the bucket is in another region; set AWS_REGION, or ?region= in its address',
    };
  }
  if (/checksum mismatch/i.test(message) || name === 'BadDigest') {
    return { code: 'ERR_BUCKET_IO', says: 'the object was damaged on its way' };
  }
  if (status === undefined) {
    return { code: 'ERR_BUCKET_UNREACHABLE', says: `S3 is out of reach (${code ?? name})` };
  }
  if (status >= 500 || status === 429 || name === 'SlowDown') {
    return {
      code: 'ERR_BUCKET_UNREACHABLE',
      says: `S3 answered ${name} (${status}); the next pass tries again`,
    };
  }
  return { code: 'ERR_BUCKET_IO', says: `S3 answered ${name} (${status}) to ${action}` };
}

/** This process or this machine has come to an end of its own: no object is at fault, and a later try may work. */
const OF_MACHINE: readonly string[] = ['EMFILE', 'ENFILE', 'ENOMEM', 'EAGAIN'];
const DENIED_CODES: readonly string[] = ['EACCES', 'EPERM', 'EROFS'];

/** @returns `error` itself if it is no failure of a file */
export function directoryFailure(error: unknown, key: string): unknown {
  if (error instanceof BodyTooLarge) {
    return new BucketError('ERR_BUCKET_SIZE', key, `${error.message}; ${REPAIR}`);
  }
  const code = (error as NodeJS.ErrnoException).code ?? '';
  if (error instanceof BucketError || !/^E[A-Z0-9]+$/.test(code)) return error;
  const { of, says } = judgeFile(code);
  return new BucketError(of, key, says, { cause: error });
}

const isFull = (code: string) => code === 'ENOSPC' || code === 'EDQUOT';

function judgeFile(code: string): { of: BucketErrorCode; says: string } {
  if (DENIED_CODES.includes(code)) return { of: 'ERR_BUCKET_DENIED', says: 'is not accessible to this user' };
  if (OF_MACHINE.includes(code)) {
    return { of: 'ERR_BUCKET_UNREACHABLE', says: `cannot be used now (${code}); the next pass tries again` };
  }
  if (code === 'EISDIR') {
    return {
      of: 'ERR_BUCKET_IO',
      says: 'cannot be written (EISDIR): a directory is in its place; move it away',
    };
  }
  if (isFull(code)) {
    const says = `cannot be written (${code}): no space is left for this user: make room on its file system (df -h, df -i)`;
    return { of: 'ERR_BUCKET_IO', says };
  }
  return { of: 'ERR_BUCKET_IO', says: `cannot be used (${code})` };
}
