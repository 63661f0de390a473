/**
 * Failures that both sides of the contract can meet. Every error of pemfleet carries a `code` from a closed
 * union (docs/errors.md lists them all) and never a payload: no PEM, no key, no document.
 */

export type PemErrorCode =
  | 'ERR_PEM_SYNTAX'
  | 'ERR_PEM_SIZE'
  | 'ERR_PEM_DIGEST'
  | 'ERR_PEM_KEY'
  | 'ERR_PEM_KEY_MISMATCH'
  | 'ERR_PEM_KEY_WEAK'
  | 'ERR_PEM_KEY_TYPE'
  | 'ERR_PEM_CHAIN'
  | 'ERR_PEM_NAMES'
  | 'ERR_PEM_VALIDITY';

export type ContractErrorCode =
  | 'ERR_MANIFEST_SCHEMA'
  | 'ERR_MANIFEST_VERSION'
  | 'ERR_MANIFEST_SIGNATURE'
  | 'ERR_MANIFEST_REQUIRES'
  | 'ERR_MANIFEST_SHARD'
  | 'ERR_KEYS_SCHEMA'
  | 'ERR_KEYS_VERSION'
  | 'ERR_TRUST_PARAMETER'
  | 'ERR_STATUS_SCHEMA'
  | 'ERR_STATUS_VERSION';

/** Of records that the issuer keeps for itself: no host reads them. */
export type IssuerRecordErrorCode =
  | 'ERR_TOMBSTONES'
  | 'ERR_ORDER_RECORD'
  | 'ERR_ACCOUNT_RECORD'
  | 'ERR_REPLACE_REQUEST'
  | 'ERR_HOLD'
  | 'ERR_REVOCATION_REQUEST'
  | 'ERR_SIGNING_KEY'
  | 'ERR_SIGNING_KEY_LOST'
  | 'ERR_ISSUER_CONFLICT'
  | 'ERR_AGENT_RELEASE';

export type BucketErrorCode =
  | 'ERR_BUCKET_URL'
  | 'ERR_BUCKET_DENIED'
  | 'ERR_BUCKET_IO'
  | 'ERR_BUCKET_SIZE'
  | 'ERR_BUCKET_ARCHIVED'
  | 'ERR_BUCKET_LOCK'
  | 'ERR_BUCKET_CONFLICT'
  | 'ERR_BUCKET_MISSING'
  | 'ERR_BUCKET_CREDENTIALS'
  | 'ERR_BUCKET_CLOCK'
  | 'ERR_BUCKET_UNREACHABLE'
  | 'ERR_BUCKET_CONDITIONS';

/** A combined PEM breaks a rule: it is never published and never installed. */
export class PemRejected extends Error {
  override name = 'PemRejected';
  readonly code: PemErrorCode;
  constructor(code: PemErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** This version cannot read a document of the bucket: upgrade, or repair the document at `key`. */
export class ContractError extends Error {
  override name = 'ContractError';
  readonly code: ContractErrorCode | IssuerRecordErrorCode;
  readonly key: string;
  constructor(
    code: ContractErrorCode | IssuerRecordErrorCode,
    key: string,
    message: string,
    options?: ErrorOptions,
  ) {
    super(`${key}: ${message}`, options);
    this.code = code;
    this.key = key;
  }
}

/** The bucket failed: `key` is the object, or the bucket's own address. */
export class BucketError extends Error {
  override name = 'BucketError';
  readonly code: BucketErrorCode;
  readonly key: string;
  constructor(code: BucketErrorCode, key: string, message: string, options?: ErrorOptions) {
    super(`${key}: ${message}`, options);
    this.code = code;
    this.key = key;
  }
}

/**
 * One object's own fault, which whoever may write it can bring about: too large, in an archive, another key's or another user's, no plain
 * file, damaged. It is as good as lost. A store that is out of reach is another matter.
 */
const OBJECT_FAULTS: readonly string[] = [
  'ERR_BUCKET_SIZE',
  'ERR_BUCKET_ARCHIVED',
  'ERR_BUCKET_DENIED',
  'ERR_BUCKET_IO',
] satisfies BucketErrorCode[];

/** Whether one object cannot be read, and others can. */
export function isObjectFault(error: unknown): error is BucketError {
  return error instanceof BucketError && OBJECT_FAULTS.includes(error.code);
}

/** The code of any failure: ours, Node's (`ENOENT`), or `ERR_UNEXPECTED` for a bug. */
export function codeOf(error: unknown): string {
  const code = (error as { code?: unknown } | undefined)?.code;
  return typeof code === 'string' ? code : 'ERR_UNEXPECTED';
}

/** The messages of an error and its causes on one line, outermost first. */
export function messageOf(error: unknown): string {
  const messages: string[] = [];
  for (let current = error; current instanceof Error; current = current.cause) messages.push(current.message);
  return (messages.length > 0 ? messages.join(': ') : String(error)).replaceAll(/\s+/g, ' ');
}
