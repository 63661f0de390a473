/**
 * Failures that only the agent can meet; those of bucket, manifest and PEM are the contract's. Every error has a
 * code of a closed union (docs/agent.md lists them) and no payload: what was sent to HAProxy never gets here.
 */
import type { ConfigErrorCode } from '#common/config-error.ts';
import { type BucketErrorCode, type ContractErrorCode, codeOf, type PemErrorCode } from '#contract/errors.ts';

/**
 * What the agent does about a file that failed. `refused`: it puts the old file back and backs off. `waiting`: the
 * next pass tries again. `reload`: the file is right, HAProxy takes it at its next reload.
 */
type Reaction = 'refused' | 'waiting' | 'reload';

const RUNTIME = {
  ERR_RUNTIME_SOCKET_MISSING: 'waiting',
  ERR_RUNTIME_SOCKET_REFUSED: 'waiting',
  ERR_RUNTIME_SOCKET_DENIED: 'waiting',
  ERR_RUNTIME_SOCKET_IO: 'waiting',
  ERR_RUNTIME_NO_SOCKET: 'reload',
  ERR_RUNTIME_NOT_ADMIN: 'waiting',
  ERR_RUNTIME_TIMEOUT: 'waiting',
  ERR_RUNTIME_SHORT_ANSWER: 'waiting',
  ERR_RUNTIME_ANSWER: 'waiting',
  ERR_RUNTIME_PAYLOAD_SIZE: 'reload',
  ERR_RUNTIME_UNSUPPORTED: 'reload',
  ERR_RUNTIME_LOCKED: 'waiting',
  ERR_RUNTIME_FOREIGN_TRANSACTION: 'waiting',
  ERR_RUNTIME_CRT_LIST: 'reload',
  ERR_RUNTIME_REFUSED: 'refused',
  ERR_RUNTIME_READ_BACK: 'refused',
  ERR_RUNTIME_RELOADED: 'waiting',
} as const;

const HANDSHAKE = {
  ERR_HANDSHAKE_CONNECT: 'refused',
  ERR_HANDSHAKE_TIMEOUT: 'refused',
  ERR_HANDSHAKE_REFUSED: 'refused',
  ERR_HANDSHAKE_CERTIFICATE: 'refused',
  ERR_HANDSHAKE_CHAIN: 'refused',
  ERR_HANDSHAKE_OVERLAP: 'refused',
} as const;

const HOST = {
  ERR_CERTS_DIRECTORY: 'refused',
  ERR_CRT_LIST_FILE: 'waiting',
  ERR_INSTALL: 'waiting',
  ERR_RELOAD_CHECK: 'refused',
  ERR_RELOAD_COMMAND: 'refused',
  ERR_STATE_DIRECTORY: 'refused',
  ERR_MANIFEST_MISSING: 'refused',
  ERR_PEM_MISSING: 'refused',
} as const;

export type RuntimeErrorCode = keyof typeof RUNTIME;
export type HandshakeErrorCode = keyof typeof HANDSHAKE;
export type HostErrorCode = keyof typeof HOST;

type ErrorCode =
  | RuntimeErrorCode
  | HandshakeErrorCode
  | HostErrorCode
  | ConfigErrorCode
  | PemErrorCode
  | ContractErrorCode
  | BucketErrorCode
  | 'ERR_UNEXPECTED';

/** To codes that docs/agent.md explains; the others are those of docs/errors.md. */
export const OWN_REACTIONS = {
  ...RUNTIME,
  ...HANDSHAKE,
  ...HOST,
  ERR_CONFIG: 'refused',
  ERR_USAGE: 'refused',
} as const;

export const REACTIONS = {
  ...OWN_REACTIONS,
  ERR_PEM_SYNTAX: 'refused',
  ERR_PEM_SIZE: 'refused',
  ERR_PEM_DIGEST: 'refused',
  ERR_PEM_KEY: 'refused',
  ERR_PEM_KEY_MISMATCH: 'refused',
  ERR_PEM_KEY_WEAK: 'refused',
  ERR_PEM_KEY_TYPE: 'refused',
  ERR_PEM_CHAIN: 'refused',
  ERR_PEM_NAMES: 'refused',
  ERR_PEM_VALIDITY: 'refused',
  ERR_MANIFEST_SCHEMA: 'refused',
  ERR_MANIFEST_VERSION: 'refused',
  ERR_STATUS_SCHEMA: 'refused',
  ERR_STATUS_VERSION: 'refused',
  ERR_BUCKET_URL: 'waiting',
  ERR_BUCKET_DENIED: 'waiting',
  ERR_BUCKET_IO: 'waiting',
  ERR_BUCKET_LOCK: 'waiting',
  ERR_BUCKET_CONFLICT: 'waiting',
  ERR_BUCKET_MISSING: 'waiting',
  ERR_BUCKET_CREDENTIALS: 'waiting',
  ERR_BUCKET_CLOCK: 'waiting',
  ERR_BUCKET_UNREACHABLE: 'waiting',
  ERR_BUCKET_CONDITIONS: 'waiting',
  ERR_UNEXPECTED: 'refused',
} as const satisfies Record<ErrorCode, Reaction>;

/** Node's own codes (`ENOENT`) count as unexpected. */
export function reactionTo(error: unknown): Reaction {
  const code = codeOf(error);
  return Object.hasOwn(REACTIONS, code) ? REACTIONS[code as ErrorCode] : REACTIONS.ERR_UNEXPECTED;
}

/** Whether the failure is HAProxy's, or of the way to it: the bucket was read, and the files can be on disk. */
export function isRuntimeErrorCode(code: string): code is RuntimeErrorCode {
  return Object.hasOwn(RUNTIME, code);
}

export function isHandshakeErrorCode(code: string): code is HandshakeErrorCode {
  return Object.hasOwn(HANDSHAKE, code);
}

/** The command that HAProxy got, without its payload. */
export interface RuntimeRequest {
  verb: string;
  filename?: string | undefined;
}

export interface RuntimeAnswer {
  /** As `set severity-output number` prefixes it: 3 error, 5 notice, 6 unknown command. */
  severity?: number | undefined;
  firstLine?: string | undefined;
}

/** HAProxy did not do it, or could not be reached. */
export class RuntimeCommandFailed extends Error {
  override name = 'RuntimeCommandFailed';
  readonly code: RuntimeErrorCode;
  readonly verb: string;
  readonly filename: string | undefined;
  readonly severity: number | undefined;
  readonly firstLine: string | undefined;

  constructor(
    code: RuntimeErrorCode,
    { verb, filename }: RuntimeRequest,
    detail: string,
    { answer, ...options }: ErrorOptions & { answer?: RuntimeAnswer } = {},
  ) {
    const said = answer?.firstLine === undefined ? '' : `; HAProxy said: ${answer.firstLine}`;
    super(`${[verb, filename].filter(Boolean).join(' ')}: ${detail}${said}`, options);
    this.code = code;
    this.verb = verb;
    this.filename = filename;
    this.severity = answer?.severity;
    this.firstLine = answer?.firstLine;
  }
}

/** The bind, and the name that the client asks it for (SNI). */
export interface HandshakeTarget {
  address: string;
  servername: string;
}

/** The wire shows something else than what was loaded. */
export class HandshakeFailed extends Error {
  override name = 'HandshakeFailed';
  readonly code: HandshakeErrorCode;
  readonly address: string;
  readonly servername: string;

  constructor(
    code: HandshakeErrorCode,
    { address, servername }: HandshakeTarget,
    detail: string,
    options?: ErrorOptions,
  ) {
    super(`handshake with ${address} for ${servername}: ${detail}`, options);
    this.code = code;
    this.address = address;
    this.servername = servername;
  }
}

/** Something that the host or the bucket lacks. */
export class HostError extends Error {
  override name = 'HostError';
  readonly code: HostErrorCode;
  constructor(code: HostErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
