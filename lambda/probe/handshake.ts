/** One TLS handshake with an address, as a client from outside makes it, and the certificates that it gets. */
import type { X509Certificate } from 'node:crypto';
import { connect as connectTcp, type Socket } from 'node:net';
import { connect, createSecureContext, type SecureContext } from 'node:tls';
import { onPeerChain } from '#common/net/peer-chain.ts';

export interface ProbeEndpoint {
  address: string;
  port: number;
  /** SNI; undefined: none. */
  servername: string | undefined;
  /** Which key the client's signature algorithms ask for. */
  kind: KeyKind;
}

export type KeyKind = 'any' | 'rsa' | 'ecdsa';

export type Handshake =
  | { kind: 'chain'; chain: readonly X509Certificate[] }
  /** This machine has no way to such addresses: IPv6 within most VPCs. */
  | { kind: 'no-route'; detail: string }
  | { kind: 'unreachable'; detail: string }
  /** Something answers, and gives no certificate for this name and kind of key. */
  | { kind: 'refused'; detail: string };

const SIGNATURES: Record<Exclude<KeyKind, 'any'>, string> = {
  rsa: 'RSA-PSS+SHA256:RSA-PSS+SHA384:RSA+SHA256:RSA+SHA384',
  ecdsa: 'ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512',
};
/** `ca: []`: nothing is trusted, so that Node reads no roots, and adds none to what was sent. */
const contexts = new Map<KeyKind, SecureContext>();
/** What this machine, not the other one, lacks. */
const NO_ROUTE = /^(ENETUNREACH|EADDRNOTAVAIL|EAFNOSUPPORT|EPROTONOSUPPORT)$/;
/** Longer chains are nobody's. */
const MAX_CHAIN = 10;
const LINGER_MS = 1000;

/** Never rejects. @param timeoutMs for connection and handshake together */
export function shakeHandsWith(endpoint: ProbeEndpoint, timeoutMs: number): Promise<Handshake> {
  const { address: host, port, servername, kind } = endpoint;
  return new Promise((resolve) => {
    const socket = connectTcp({ host, port });
    const end = (result: Handshake) => {
      clearTimeout(timer);
      resolve(result);
      leave(socket);
    };
    const timer = setTimeout(() => {
      end({ kind: 'unreachable', detail: `no answer within ${timeoutMs / 1000} s` });
    }, timeoutMs);
    let isConnected = false;
    const fail = (error?: NodeJS.ErrnoException & { reason?: string }) => end(failureOf(error, isConnected));
    socket.once('error', fail).once('close', () => fail());
    socket.once('connect', () => {
      isConnected = true;
      const options = { socket, secureContext: clientContextOf(kind), rejectUnauthorized: false };
      const tls = connect(servername === undefined ? options : { ...options, servername });
      onPeerChain(tls, (chain) => end({ kind: 'chain', chain }), MAX_CHAIN).on('error', fail);
    });
  });
}

/** An end instead of a reset, which servers log as a failed handshake. */
function leave(socket: Socket): void {
  socket.unref().end();
  setTimeout(() => socket.destroy(), LINGER_MS).unref();
}

function failureOf(
  error: (NodeJS.ErrnoException & { reason?: string }) | undefined,
  isConnected: boolean,
): Handshake {
  const code = error?.code ?? 'closed';
  if (!isConnected) return { kind: NO_ROUTE.test(code) ? 'no-route' : 'unreachable', detail: code };
  const alert = /SSL alert number (\d+)/.exec(error?.message ?? '')?.[1];
  const detail = alert === undefined ? (error?.reason ?? code) : `TLS alert ${alert}`;
  return { kind: 'refused', detail };
}

/** Of a client that takes only this kind of key. */
export function clientContextOf(kind: KeyKind): SecureContext {
  const sigalgs = kind === 'any' ? undefined : SIGNATURES[kind];
  const context = contexts.get(kind) ?? createSecureContext({ ca: [], ...(sigalgs && { sigalgs }) });
  contexts.set(kind, context);
  return context;
}
