/**
 * One TLS handshake with a bind, as a client of a certain kind makes it, and the certificates that the bind sends in
 * it. Works with binds that demand a client certificate, and with those behind a load balancer (`accept-proxy`).
 */
import type { X509Certificate } from 'node:crypto';
import { connect as connectTcp, type Socket } from 'node:net';
import { connect, createSecureContext, type SecureContext, type TLSSocket } from 'node:tls';
import { HandshakeFailed, type HandshakeTarget } from '../errors.ts';

const HANDSHAKE_TIMEOUT_MS = 5000;
/** Before the address of a bind that expects a PROXY header. */
const PROXY_PREFIX = 'proxy@';
/**
 * The shortest header of version 2: LOCAL, as load balancers send it with their own health checks. HAProxy then logs
 * the connection's own address (PROXY protocol §2.2; the same on 2.6, 3.0, 3.2 and 3.4).
 */
const PROXY_HEADER = Buffer.from('0d0a0d0a000d0a515549540a20000000', 'hex');

/** What a client's signature algorithms ask for. */
export type ClientKind = 'any' | 'rsa' | 'ecdsa';

/** `ca: []`: nothing is trusted, so that Node reads no roots. To make a context takes longer than a handshake. */
const CONTEXTS: Record<ClientKind, () => SecureContext> = {
  any: lazily(() => createSecureContext({ ca: [] })),
  rsa: lazily(() => createSecureContext({ ca: [], sigalgs: 'RSA-PSS+SHA256:RSA+SHA256:RSA+SHA384' })),
  ecdsa: lazily(() => createSecureContext({ ca: [], sigalgs: 'ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512' })),
};

function lazily<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => {
    made ??= make();
    return made;
  };
}

/** Addresses whose bind has taken a PROXY header after it had hung up without one. */
const takesHeader = new Set<string>();

/**
 * Where the bind hangs up before it has said a word of TLS, one more attempt is made with a PROXY header, or without one
 * if the bind took one before.
 * @returns the certificates that the bind has sent, the leaf first
 * @throws HandshakeFailed
 */
export async function chainFrom(target: HandshakeTarget, kind: ClientKind): Promise<X509Certificate[]> {
  const { address } = target;
  const isConfigured = address.startsWith(PROXY_PREFIX);
  const isFirstWith = isConfigured || takesHeader.has(address);
  try {
    return await shakeHands(target, kind, isFirstWith);
  } catch (error) {
    if (isConfigured || !isHangUp(error)) throw error;
    const second = await shakeHands(target, kind, !isFirstWith).catch((other: unknown) => other);
    if (!Array.isArray(second) && (isHangUp(second) || !isAlert(second))) throw error;
    if (isFirstWith) takesHeader.delete(address);
    else takesHeader.add(address);
    if (Array.isArray(second)) return second;
    throw second;
  }
}

/** Node's `reason` is what OpenSSL says: without it, no TLS was spoken. */
const isHangUp = (error: unknown) =>
  error instanceof HandshakeFailed &&
  error.code === 'ERR_HANDSHAKE_REFUSED' &&
  (error.cause as { reason?: string } | undefined)?.reason === undefined;
const isAlert = (error: unknown) => error instanceof HandshakeFailed && error.alert !== undefined;

async function shakeHands(
  target: HandshakeTarget,
  kind: ClientKind,
  withHeader: boolean,
): Promise<X509Certificate[]> {
  const tcp = connectTcp(splitAddress(target.address));
  let deadline: NodeJS.Timeout | undefined;
  try {
    return await new Promise<X509Certificate[]>((resolve, reject) => {
      const fail = (error?: unknown) => reject(asHandshakeFailed(error, target));
      deadline = setTimeout(() => {
        const detail = `not finished within ${HANDSHAKE_TIMEOUT_MS} ms`;
        fail(new HandshakeFailed('ERR_HANDSHAKE_TIMEOUT', target, detail));
        tcp.destroy();
      }, HANDSHAKE_TIMEOUT_MS);
      tcp.on('error', fail);
      tcp.once('connect', () => {
        if (withHeader) tcp.write(PROXY_HEADER);
        const tls = readChain(beginTls(tcp, target, kind), resolve);
        tls.on('error', fail).once('close', () => fail());
      });
    });
  } finally {
    clearTimeout(deadline);
  }
}

function beginTls(socket: Socket, { servername }: HandshakeTarget, kind: ClientKind): TLSSocket {
  const options = { socket, secureContext: CONTEXTS[kind](), rejectUnauthorized: false };
  return connect(servername === undefined ? options : { ...options, servername });
}

/**
 * Up to TLS 1.2, a bind that demands a client certificate refuses the handshake after the client has verified that the
 * bind has the key of the certificate it has sent: OpenSSL then has the master secret (label CLIENT_RANDOM).
 */
function readChain(tls: TLSSocket, onChain: (chain: X509Certificate[]) => void): TLSSocket {
  // Node gives the chain only once.
  let chain: X509Certificate[] | undefined;
  tls.on('keylog', (line: Buffer) => {
    if (line.subarray(0, 14).toString() === 'CLIENT_RANDOM ') chain = chainOf(tls.getPeerX509Certificate());
  });
  tls.once('secureConnect', () => {
    onChain(chain ?? chainOf(tls.getPeerX509Certificate()));
    leave(tls);
  });
  tls.once('error', () => {
    if (chain !== undefined && chain.length > 0) onChain(chain);
  });
  return tls;
}

/** Ends the connection instead of destroying it, which HAProxy would log as a failed handshake. */
function leave(tls: TLSSocket): void {
  tls.unref().resume().end();
  tls.setTimeout(HANDSHAKE_TIMEOUT_MS, () => tls.destroy());
}

/** The certificates that the peer has sent, without those that Node knows. */
function chainOf(leaf: X509Certificate | undefined): X509Certificate[] {
  const chain: X509Certificate[] = [];
  for (let next = leaf; next !== undefined; next = next.issuerCertificate) chain.push(next);
  return chain;
}

function asHandshakeFailed(cause: unknown, target: HandshakeTarget): HandshakeFailed {
  if (cause instanceof HandshakeFailed) return cause;
  const error = cause as (NodeJS.ErrnoException & { reason?: string }) | undefined;
  if (error?.syscall === 'connect') {
    const detail = `${error.code}: does HAProxy bind there? Set haproxy.handshake to its binds, or to []`;
    return new HandshakeFailed('ERR_HANDSHAKE_CONNECT', target, detail, { cause });
  }
  const alert = Number(/SSL alert number (\d+)/.exec(error?.message ?? '')?.[1]);
  const said =
    alert > 0 ? `alert ${alert} ${ALERTS[alert]?.[0] ?? 'unknown'}` : (error?.reason ?? error?.code);
  const meaning =
    ALERTS[alert]?.[1] ?? (error?.reason === undefined ? HUNG_UP : 'no TLS that both sides know');
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
  70: ['protocol_version', 'the bind takes neither TLS 1.2 nor TLS 1.3'],
  71: ['insufficient_security', "the bind's ciphers are stricter than this client's"],
  80: ['internal_error', "HAProxy's log says more"],
  112: ['unrecognized_name', 'no certificate for this name on that bind'],
  116: ['certificate_required', CLIENT_CERTIFICATE],
  120: ['no_application_protocol', 'the bind takes no client without its ALPN'],
};

function splitAddress(address: string): { host: string; port: number } {
  const { hostname, port } = new URL(`tcp://${address.replace(PROXY_PREFIX, '')}`);
  return { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port) };
}
