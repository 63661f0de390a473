/**
 * One TLS handshake with a bind, as a client of a certain kind makes it, and the certificates that the bind sends in
 * it. Works with binds that demand a client certificate, and with those behind a load balancer (`accept-proxy`).
 */
import type { X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import { connect, type TLSSocket } from 'node:tls';
import { onPeerChain } from '#common/net/peer-chain.ts';
import { HandshakeFailed, type HandshakeTarget } from '../errors.ts';
import { type ClientKind, CONTEXTS, type Taste } from './client-kind.ts';
import { type LocalBind, localBindOf } from './connect.ts';
import { farewellIn, PROTOCOLS } from './farewell.ts';
import { handshakeFailureOf } from './refusal.ts';

const HANDSHAKE_TIMEOUT_MS = 5000;
/**
 * The shortest header of version 2: LOCAL, as load balancers send it with their own health checks. HAProxy then logs
 * the connection's own address (PROXY protocol §2.2; the same on 2.6, 3.0, 3.2 and 3.4).
 */
const PROXY_HEADER = Buffer.from('0d0a0d0a000d0a515549540a20000000', 'hex');

/** Addresses whose bind has taken a PROXY header after it had hung up without one. */
const takesHeader = new Set<string>();
/** Addresses and kinds of client that have shaken hands on what no usual client takes. */
const takesAnything = new Set<string>();

/**
 * Where the bind hangs up before it has said a word of TLS, one more attempt is made with a PROXY header, or without one
 * if the bind took one before. Where it knows neither a TLS version nor a cipher of the usual ones, one more with all there are.
 * @returns the certificates that the bind has sent, the leaf first
 * @throws HandshakeFailed
 * @throws Unprovable no handshake can show a certificate there
 */
export async function chainFrom(target: HandshakeTarget, kind: ClientKind): Promise<X509Certificate[]> {
  const bind = await localBindOf(target);
  const key = `${kind} ${target.address}`;
  const isUsual = !takesAnything.has(key);
  try {
    return await chainWithHeader({ target, kind, bind, taste: isUsual ? 'usual' : 'any' });
  } catch (error) {
    if (!isMismatch(error)) throw error;
    const second = await chainWithHeader({ target, kind, bind, taste: isUsual ? 'any' : 'usual' }).catch(
      () => undefined,
    );
    if (second === undefined) throw error;
    if (isUsual) takesAnything.add(key);
    else takesAnything.delete(key);
    return second;
  }
}

interface Attempt {
  target: HandshakeTarget;
  kind: ClientKind;
  bind: LocalBind;
  taste: Taste;
}

async function chainWithHeader(attempt: Attempt): Promise<X509Certificate[]> {
  const { target, bind } = attempt;
  const { address } = target;
  const isConfigured = bind.takesProxy;
  const isFirstWith = isConfigured || takesHeader.has(address);
  try {
    return await shakeHands(attempt, isFirstWith);
  } catch (error) {
    if (isConfigured || !isHangUp(error)) throw error;
    const second = await shakeHands(attempt, !isFirstWith).catch((other: unknown) => other);
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
/** The bind has neither a TLS version nor a cipher nor a signature algorithm in common with the client. */
export const isMismatch = (error: unknown): error is HandshakeFailed =>
  error instanceof HandshakeFailed && MISMATCHES.includes(error.alert ?? 0);
const MISMATCHES: readonly number[] = [40, 70, 71];

async function shakeHands(attempt: Attempt, withHeader: boolean): Promise<X509Certificate[]> {
  const { target, bind } = attempt;
  const tcp = bind.open();
  let deadline: NodeJS.Timeout | undefined;
  try {
    return await new Promise<X509Certificate[]>((resolve, reject) => {
      const fail = (error?: unknown) => reject(handshakeFailureOf(error, target));
      deadline = setTimeout(() => {
        const detail = `not finished within ${HANDSHAKE_TIMEOUT_MS} ms`;
        fail(new HandshakeFailed('ERR_HANDSHAKE_TIMEOUT', target, detail));
        tcp.destroy();
      }, HANDSHAKE_TIMEOUT_MS);
      tcp.on('error', fail);
      tcp.once('connect', () => {
        if (withHeader) tcp.write(PROXY_HEADER);
        const tls = onPeerChain(beginTls(tcp, attempt), resolve);
        tls.once('secureConnect', () => leave(tls));
        tls.on('error', fail).once('close', () => fail());
      });
    });
  } finally {
    clearTimeout(deadline);
  }
}

function beginTls(socket: Socket, { target: { servername }, kind, taste }: Attempt): TLSSocket {
  const secureContext = CONTEXTS[taste][kind]();
  const options = { socket, secureContext, rejectUnauthorized: false, ALPNProtocols: [...PROTOCOLS] };
  return connect(servername === undefined ? options : { ...options, servername });
}

/** Ends the connection instead of destroying it, which HAProxy would log as a failed handshake. */
function leave(tls: TLSSocket): void {
  const words = farewellIn(tls.alpnProtocol);
  if (words !== undefined) tls.write(words);
  tls.unref().resume().end();
  tls.setTimeout(HANDSHAKE_TIMEOUT_MS, () => tls.destroy());
}
