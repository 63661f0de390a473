/** Why there was no handshake: what the bind's TLS alert, or its silence, means of its configuration. */
import { HandshakeFailed, type HandshakeTarget } from '../errors.ts';
import type { HandshakeErrorCode } from '../reactions.ts';
import { Unprovable } from './unprovable.ts';

export function handshakeFailureOf(cause: unknown, target: HandshakeTarget): HandshakeFailed | Unprovable {
  if (cause instanceof HandshakeFailed) return cause;
  const error = cause as (NodeJS.ErrnoException & { reason?: string }) | undefined;
  if (error?.syscall === 'connect') {
    if (error.code === 'EACCES') {
      const detail =
        'the agent may not connect there: give its user the right ("user", "group", "mode" of the bind)';
      return new Unprovable('not-askable', target.address, detail, { cause });
    }
    const detail = `${error.code}: does HAProxy bind there? Set haproxy.handshake to its binds, or to []`;
    return new HandshakeFailed('ERR_HANDSHAKE_CONNECT', target, detail, { cause });
  }
  const alert = Number(/SSL alert number (\d+)/.exec(error?.message ?? '')?.[1]);
  const said =
    alert > 0 ? `alert ${alert} ${ALERTS[alert]?.[0] ?? 'unknown'}` : (error?.reason ?? error?.code);
  const meaning =
    ALERTS[alert]?.[1] ?? (error?.reason === undefined ? HUNG_UP : 'no TLS that both sides know');
  if (meaning === CLIENT_CERTIFICATE) {
    return new Unprovable('client-certificate', target.address, `alert ${alert}: ${CLIENT_CERTIFICATE}`, {
      cause,
    });
  }
  const detail = `refused (${said ?? 'closed'}): ${meaning}`;
  return new HandshakeFailed('ERR_HANDSHAKE_REFUSED', target, detail, { cause, alert: alert || undefined });
}

const HUNG_UP =
  'the bind hung up before it said a word of TLS, with a PROXY header or without: does it serve TLS ("ssl")?';
const CLIENT_CERTIFICATE = 'the bind demands a client certificate before it shows its own';

/** RFC 8446 §6.2, by number: the name, and what it means of HAProxy's bind. */
const ALERTS: Readonly<Record<number, readonly [name: string, meaning: string]>> = {
  40: [
    'handshake_failure',
    'the bind has no cipher or signature algorithm in common with a client of this kind of key: compare its ciphers, sigalgs and TLS versions with the key type of the certificate',
  ],
  42: ['bad_certificate', CLIENT_CERTIFICATE],
  46: ['certificate_unknown', CLIENT_CERTIFICATE],
  47: ['illegal_parameter', 'the bind does not take what this client offers'],
  70: ['protocol_version', 'the bind takes no TLS version that this client knows, from 1.0 to 1.3'],
  71: ['insufficient_security', "the bind's ciphers are stricter than this client's"],
  80: ['internal_error', "HAProxy's log says more"],
  112: ['unrecognized_name', 'no certificate for this name on that bind'],
  116: ['certificate_required', CLIENT_CERTIFICATE],
  120: ['no_application_protocol', 'the bind takes no client without its ALPN'],
};

/** Nothing listens on the bind, or it does not answer. */
const NO_ANSWER: readonly HandshakeErrorCode[] = ['ERR_HANDSHAKE_CONNECT', 'ERR_HANDSHAKE_TIMEOUT'];

export const isWithoutAnswer = ({ code }: HandshakeFailed): boolean => NO_ANSWER.includes(code);
