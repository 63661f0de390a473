/**
 * Failures that only the agent can meet; those of bucket, manifest and PEM are the contract's. Every error has a
 * code of a closed union (docs/agent-codes.md lists them) and no payload: what was sent to HAProxy never gets here.
 */
import type { X509Certificate } from 'node:crypto';
import { messageOf } from '#contract/errors.ts';
import type { Wire } from '#contract/host-status.ts';
import type { HandshakeErrorCode, HostErrorCode, RuntimeErrorCode } from './reactions.ts';

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

/** The bind, and the name that the client asks it for (SNI); `undefined`: the client sends none. */
export interface HandshakeTarget {
  address: string;
  servername: string | undefined;
}

/** The wire shows something else than what was loaded. */
export class HandshakeFailed extends Error {
  override name = 'HandshakeFailed';
  readonly code: HandshakeErrorCode;
  readonly address: string;
  readonly servername: string | undefined;
  /** Number of the TLS alert by which the bind refused (RFC 8446 §6). */
  readonly alert: number | undefined;
  /** The certificate that the bind hands out instead. */
  readonly shown: X509Certificate | undefined;
  /** What was found out about it. */
  readonly wire: Wire | undefined;
  readonly #detail: string;

  constructor(
    code: HandshakeErrorCode,
    { address, servername }: HandshakeTarget,
    detail: string,
    { alert, shown, wire, ...options }: ErrorOptions & WireFacts = {},
  ) {
    const asked = servername === undefined ? 'without a name (SNI)' : `for ${servername}`;
    super(`handshake with ${address} ${asked}: ${detail}`, options);
    this.alert = alert;
    this.shown = shown;
    this.wire = wire;
    this.code = code;
    this.address = address;
    this.servername = servername;
    this.#detail = detail;
  }

  /** Of `shown`. */
  get serial(): string | undefined {
    return this.shown?.serialNumber;
  }

  /** @param more after what it says already; `message`: instead of it, as an earlier pass has said it */
  withWire(wire: Wire, more: string, message?: string): HandshakeFailed {
    const { alert, shown, cause } = this;
    const detail = [this.#detail, more].filter(Boolean).join('; ');
    const known = new HandshakeFailed(this.code, this, detail, {
      alert,
      shown,
      wire,
      cause,
    });
    if (message !== undefined) known.message = message;
    return known;
  }
}

interface WireFacts {
  alert?: number | undefined;
  shown?: X509Certificate | undefined;
  wire?: Wire | undefined;
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
 * What failed while an error was being undone is a note of that error: the first one leads, and its code decides.
 * @returns `first` itself
 */
export function withNote(first: unknown, later: unknown): unknown {
  if (first instanceof Error) first.message += `; then: ${messageOf(later)}`;
  return first;
}
