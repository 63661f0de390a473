// What HAProxy really serves: a TLS handshake, and the certificates that the peer sent in it.
import {
  type ConnectionOptions,
  connect,
  type DetailedPeerCertificate,
  type SecureVersion,
  type TLSSocket,
} from 'node:tls';

export interface HandshakeOptions {
  host?: string;
  port: number;
  servername: string;
  /** PEM; says whether the peer is `authorized` */
  ca?: string;
  minVersion?: SecureVersion;
  maxVersion?: SecureVersion;
  /** OpenSSL's cipher list, for TLS 1.2: `ECDHE-RSA-…` asks for an RSA certificate */
  ciphers?: string;
}

export interface Handshake {
  /** hexadecimal, upper case */
  serial: string;
  /** as Node writes it: upper case with colons */
  fingerprint256: string;
  /** as `show ssl cert` writes it: upper case without colons */
  fingerprintSha1: string;
  /** how many certificates the peer sent */
  chainLength: number;
  /** DNS names and IP addresses */
  names: string[];
  notAfter: Date;
  /** whether `ca`, or else a public CA, vouches for it under this name */
  authorized: boolean;
}

const deadlineMs = 30_000;

/** Rejects when there is no handshake, for example for a name without a certificate. */
export async function handshake(options: HandshakeOptions): Promise<Handshake> {
  // without `ca`: Node would lengthen the chain by the CA's own certificate
  const { ca, ...blind } = options;
  const { chain, authorized } = await shakeHands(blind);
  const leaf = chain[0] as DetailedPeerCertificate;
  return {
    serial: leaf.serialNumber,
    fingerprint256: leaf.fingerprint256,
    fingerprintSha1: leaf.fingerprint.replaceAll(':', ''),
    chainLength: chain.length,
    names: (leaf.subjectaltname ?? '').split(', ').map((name) => name.replace(/^(DNS|IP Address):/, '')),
    notAfter: new Date(leaf.valid_to),
    authorized: ca === undefined ? authorized : (await shakeHands(options)).authorized,
  };
}

function shakeHands({ host = '127.0.0.1', ...options }: HandshakeOptions) {
  return new Promise<{ chain: DetailedPeerCertificate[]; authorized: boolean }>((resolve, reject) => {
    const socket = connect({ host, ...options, rejectUnauthorized: false });
    socket.setTimeout(deadlineMs, () => {
      socket.destroy(new Error(`no handshake with ${host}:${options.port} within ${deadlineMs} ms`));
    });
    socket.once('error', reject);
    socket.once('close', () => reject(new Error(`${host}:${options.port} closed before the handshake`)));
    socket.once('secureConnect', () => {
      resolve({ chain: chainOf(socket), authorized: socket.authorized });
      // not destroyed: HAProxy would log a failed handshake
      socket.end();
    });
  });
}

function chainOf(socket: TLSSocket): DetailedPeerCertificate[] {
  const chain: DetailedPeerCertificate[] = [];
  let next: DetailedPeerCertificate | undefined = socket.getPeerCertificate(true);
  // a self-signed certificate names itself as its issuer, a last one without issuer has none
  while (next && !chain.includes(next)) {
    chain.push(next);
    next = next.issuerCertificate;
  }
  return chain;
}

/** What the peer staples (RFC 6066 §8), as bytes; `undefined`: nothing. */
export function stapleOnWire({ host = '127.0.0.1', ...rest }: HandshakeOptions): Promise<Buffer | undefined> {
  return new Promise((resolve, reject) => {
    // Node's own word; its types do not know it for clients
    const options: ConnectionOptions = Object.assign(
      { host, ...rest, rejectUnauthorized: false },
      { requestOCSP: true },
    );
    const socket = connect(options);
    let staple: Buffer | undefined;
    socket.once('OCSPResponse', (response: Buffer | null) => {
      staple = response?.length ? Buffer.from(response) : undefined;
    });
    socket.once('error', reject);
    socket.once('secureConnect', () => {
      resolve(staple);
      socket.end();
    });
  });
}
