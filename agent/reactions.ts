/** What the agent does after each failure: every error code that it can meet, with the reaction to it. */
import type { ConfigErrorCode } from '#common/config-error.ts';
import { type BucketErrorCode, type ContractErrorCode, codeOf, type PemErrorCode } from '#contract/errors.ts';

/**
 * What the agent does about a file that failed. `refused`: it backs off, and puts the old file back if it was HAProxy that refused the new one. `waiting`: the
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
  ERR_RUNTIME_VERSION: 'waiting',
  ERR_RUNTIME_LOCKED: 'waiting',
  ERR_RUNTIME_LOCK_BROKEN: 'reload',
  ERR_RUNTIME_FOREIGN_TRANSACTION: 'waiting',
  ERR_RUNTIME_CRT_LIST: 'reload',
  ERR_RUNTIME_IN_USE: 'reload',
  ERR_RUNTIME_REFUSED: 'refused',
  ERR_RUNTIME_READ_BACK: 'reload',
  ERR_RUNTIME_DETACHED: 'reload',
  ERR_RUNTIME_RELOADED: 'waiting',
  ERR_RUNTIME_TWO_ISSUERS: 'waiting',
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
  ERR_CRT_LIST_LINE: 'refused',
  ERR_CRT_LIST_CHECK: 'waiting',
  ERR_INSTALL: 'waiting',
  ERR_INSTALL_NOT_OURS: 'refused',
  ERR_UPDATE_UNDONE: 'refused',
  ERR_RELOAD_CHECK: 'refused',
  ERR_RELOAD_COMMAND: 'refused',
  ERR_STATE_DIRECTORY: 'waiting',
  ERR_MANIFEST_MISSING: 'refused',
  ERR_MANIFEST_REFUSED: 'refused',
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

/** To codes that docs/agent-codes.md explains; the others are those of docs/errors.md. */
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
  ERR_MANIFEST_SIGNATURE: 'refused',
  ERR_MANIFEST_REQUIRES: 'refused',
  ERR_MANIFEST_SHARD: 'refused',
  ERR_KEYS_SCHEMA: 'refused',
  ERR_KEYS_VERSION: 'refused',
  ERR_TRUST_PARAMETER: 'waiting',
  ERR_STATUS_SCHEMA: 'refused',
  ERR_STATUS_VERSION: 'refused',
  ERR_BUCKET_URL: 'waiting',
  ERR_BUCKET_DENIED: 'waiting',
  ERR_BUCKET_IO: 'waiting',
  ERR_BUCKET_SIZE: 'refused',
  ERR_BUCKET_ARCHIVED: 'waiting',
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
