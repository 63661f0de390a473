/**
 * Failures that only the agent can meet; those of bucket, manifest and PEM are the contract's. Every error has a
 * code of a closed union (docs/agent.md lists them) and no payload: what was sent to HAProxy never gets here.
 */
import type { ConfigErrorCode } from '#common/config-error.ts';
import type { BucketErrorCode, ContractErrorCode, PemErrorCode } from '#contract/errors.ts';

/** Every code that only the agent has, by the class that carries it. */
export const ERROR_CODES = {
  runtime: [
    'ERR_RUNTIME_SOCKET_MISSING',
    'ERR_RUNTIME_SOCKET_REFUSED',
    'ERR_RUNTIME_SOCKET_DENIED',
    'ERR_RUNTIME_SOCKET_IO',
    'ERR_RUNTIME_NO_SOCKET',
    'ERR_RUNTIME_NOT_ADMIN',
    'ERR_RUNTIME_TIMEOUT',
    'ERR_RUNTIME_SHORT_ANSWER',
    'ERR_RUNTIME_ANSWER',
    'ERR_RUNTIME_PAYLOAD_SIZE',
    'ERR_RUNTIME_UNSUPPORTED',
    'ERR_RUNTIME_LOCKED',
    'ERR_RUNTIME_FOREIGN_TRANSACTION',
    'ERR_RUNTIME_CRT_LIST',
    'ERR_RUNTIME_REFUSED',
    'ERR_RUNTIME_READ_BACK',
    'ERR_RUNTIME_RELOADED',
  ],
  handshake: [
    'ERR_HANDSHAKE_CONNECT',
    'ERR_HANDSHAKE_TIMEOUT',
    'ERR_HANDSHAKE_REFUSED',
    'ERR_HANDSHAKE_CERTIFICATE',
    'ERR_HANDSHAKE_CHAIN',
    'ERR_HANDSHAKE_OVERLAP',
  ],
  host: [
    'ERR_CERTS_DIRECTORY',
    'ERR_CRT_LIST_FILE',
    'ERR_INSTALL',
    'ERR_RELOAD_CHECK',
    'ERR_RELOAD_COMMAND',
    'ERR_STATE_DIRECTORY',
    'ERR_MANIFEST_MISSING',
    'ERR_PEM_MISSING',
  ],
  config: ['ERR_CONFIG', 'ERR_USAGE'] satisfies ConfigErrorCode[],
} as const;

export type RuntimeErrorCode = (typeof ERROR_CODES.runtime)[number];
export type HandshakeErrorCode = (typeof ERROR_CODES.handshake)[number];
export type HostErrorCode = (typeof ERROR_CODES.host)[number];

export type ErrorCode =
  | RuntimeErrorCode
  | HandshakeErrorCode
  | HostErrorCode
  | ConfigErrorCode
  | PemErrorCode
  | ContractErrorCode
  | BucketErrorCode
  | 'ERR_UNEXPECTED';

/** What was asked of HAProxy, without what was sent along. */
export interface RuntimeRequest {
  verb: string;
  filename?: string | undefined;
}

export interface RuntimeAnswer {
  /** As `set severity-output number` prefixes it: 3 error, 5 notice, 6 unknown command. */
  severity?: number | undefined;
  firstLine?: string | undefined;
}

/** HAProxy did not do it, or could not be asked. */
export class RuntimeCommandFailed extends Error {
  override name = 'RuntimeCommandFailed';
  readonly code: RuntimeErrorCode;
  readonly verb: string;
  readonly filename: string | undefined;
  readonly severity: number | undefined;
  readonly firstLine: string | undefined;

  constructor(
    code: RuntimeErrorCode,
    asked: RuntimeRequest,
    detail: string,
    answer: RuntimeAnswer = {},
    options?: ErrorOptions,
  ) {
    const said = answer.firstLine === undefined ? '' : `; HAProxy said: ${answer.firstLine}`;
    super(`${[asked.verb, asked.filename].filter(Boolean).join(' ')}: ${detail}${said}`, options);
    this.code = code;
    this.verb = asked.verb;
    this.filename = asked.filename;
    this.severity = answer.severity;
    this.firstLine = answer.firstLine;
  }
}

/** The wire shows something else than what was loaded. */
export class HandshakeFailed extends Error {
  override name = 'HandshakeFailed';
  readonly code: HandshakeErrorCode;
  readonly address: string;
  readonly servername: string;
  constructor(
    code: HandshakeErrorCode,
    address: string,
    servername: string,
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

/**
 * How a failure of one file is met: `refused`: put the old file back and back off; `waiting`: the next pass
 * simply tries again; `reload`: the file is right, HAProxy takes it at its next reload.
 */
export function reactionTo(code: string): 'refused' | 'waiting' | 'reload' {
  if (code === 'ERR_RUNTIME_PAYLOAD_SIZE' || code === 'ERR_RUNTIME_CRT_LIST') return 'reload';
  if (code === 'ERR_RUNTIME_UNSUPPORTED' || code === 'ERR_RUNTIME_NO_SOCKET') return 'reload';
  if (code === 'ERR_RUNTIME_REFUSED' || code === 'ERR_RUNTIME_READ_BACK') return 'refused';
  return /^ERR_(RUNTIME_|BUCKET_|INSTALL$|CRT_LIST_FILE$)/.test(code) ? 'waiting' : 'refused';
}
