/**
 * Success is what HAProxy shows, not what it says: its description of the file, then the certificate that a TLS client
 * gets from each bind (which also shows overlapping names, second copies and old workers).
 */
import type { X509Certificate } from 'node:crypto';
import { connect, createSecureContext, type SecureContext, type TLSSocket } from 'node:tls';
import type { CombinedPem } from '#contract/combined-pem.ts';
import type { DesiredFile } from '../desired/files.ts';
import { servedNames } from '../desired/overlap.ts';
import { HandshakeFailed, type HandshakeTarget, RuntimeCommandFailed } from '../errors.ts';
import type { CertificateStatus } from '../haproxy/answers.ts';

const HANDSHAKE_TIMEOUT_MS = 5000;
/** A label that no certificate names, to ask for a wildcard. */
const PROOF_LABEL = 'pemfleet-proof';

/**
 * @param shown HAProxy's description, read after the commit
 * @throws RuntimeCommandFailed `ERR_RUNTIME_READ_BACK`
 */
export function readBack(
  shown: CertificateStatus | undefined,
  filename: string,
  pem: CombinedPem,
): CertificateStatus {
  const wanted = { serial: pem.leaf.serialNumber, fingerprint: sha1Of(pem), chainLength: pem.chain.length };
  // What HAProxy's answer lacks (too many names), the handshake proves.
  const { serial, sha1Fingerprint = wanted.fingerprint, chainLength = wanted.chainLength } = shown ?? {};
  const isSame = sha1Fingerprint === wanted.fingerprint && chainLength === wanted.chainLength;
  if (shown?.status === 'Used' && serial === wanted.serial && isSame) return shown;
  const saw = shown ? `${shown.status} ${sha1Fingerprint}, ${chainLength} certificates` : 'nothing';
  const detail = `wanted Used ${wanted.fingerprint}, ${wanted.chainLength} certificates, saw ${saw}`;
  throw new RuntimeCommandFailed('ERR_RUNTIME_READ_BACK', { verb: 'show ssl cert', filename }, detail);
}

/** What decides by which name and which kind of key HAProxy hands it out. */
type Proved = Pick<DesiredFile, 'keyType' | 'isPair' | 'listing' | 'shadows'>;

/**
 * Makes one handshake with each address. It proves nothing for a certificate without a DNS name: SNI carries no IP
 * address (RFC 6066 §3).
 * @returns the addresses that handed out this certificate
 * @throws HandshakeFailed
 */
export async function proveServed(
  addresses: readonly string[],
  desired: Proved,
  pem: CombinedPem,
): Promise<string[]> {
  const servername = servernameOf(pem, desired);
  if (servername === undefined) return [];
  for (const address of addresses) {
    const target = { address, servername };
    check(await handshake(target, contextFor(desired)), pem, target);
  }
  return [...addresses];
}

/** The leaf's first DNS name for which HAProxy hands out no other certificate; a plain one before a wildcard. */
function servernameOf({ leaf }: CombinedPem, { listing, shadows }: Proved): string | undefined {
  const entries = leaf.subjectAltName?.split(', ') ?? [];
  const identifiers = entries
    .filter((entry) => entry.startsWith('DNS:'))
    .map((entry) => entry.slice('DNS:'.length));
  const names = servedNames({ identifiers, listing }).filter(
    (name) => !shadows?.some((shadow) => shadow.name === name),
  );
  const name = names.find((candidate) => !candidate.startsWith('*.')) ?? names[0];
  return name?.replace(/^\*\./, `${PROOF_LABEL}.`).toLowerCase();
}

/** HAProxy hands out the half of an RSA and ECDSA pair that the client's signature algorithms ask for. */
function contextFor({ isPair, keyType }: Proved): SecureContext {
  if (!isPair) return contexts.any();
  return keyType.startsWith('rsa') ? contexts.rsa() : contexts.ecdsa();
}

/** `ca: []`: nothing is trusted, so that Node reads no roots. To make a context takes longer than a handshake. */
const contexts = {
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

function handshake(target: HandshakeTarget, secureContext: SecureContext): Promise<X509Certificate[]> {
  const { host, port } = splitAddress(target.address);
  const { servername } = target;
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, servername, secureContext, rejectUnauthorized: false });
    const deadline = setTimeout(() => {
      const detail = `not finished within ${HANDSHAKE_TIMEOUT_MS} ms`;
      socket.destroy(new HandshakeFailed('ERR_HANDSHAKE_TIMEOUT', target, detail));
    }, HANDSHAKE_TIMEOUT_MS);
    socket.on('secureConnect', () => {
      resolve(chainOf(socket.getPeerX509Certificate()));
      clearTimeout(deadline);
      leave(socket);
    });
    socket.on('error', (error) => reject(asHandshakeFailed(error, target)));
    socket.on('close', () => {
      clearTimeout(deadline);
      reject(refused(target));
    });
  });
}

/** Ends the connection instead of destroying it, which HAProxy would log as a failed handshake. */
function leave(socket: TLSSocket): void {
  socket.unref().resume().end();
  socket.setTimeout(HANDSHAKE_TIMEOUT_MS, () => socket.destroy());
}

function check(chain: readonly X509Certificate[], pem: CombinedPem, target: HandshakeTarget): void {
  const [wanted, saw] = [sha1Of(pem), chain[0]?.fingerprint.replaceAll(':', '')];
  if (wanted !== saw) {
    const detail = `wanted serial ${pem.leaf.serialNumber}, saw ${chain[0]?.serialNumber}: another certificate with this name, or an old worker, answers there`;
    throw new HandshakeFailed('ERR_HANDSHAKE_CERTIFICATE', target, detail);
  }
  if (chain.length === pem.chain.length) return;
  const detail = `wanted a chain of ${pem.chain.length}, saw ${chain.length}`;
  throw new HandshakeFailed('ERR_HANDSHAKE_CHAIN', target, detail);
}

/** The certificates that the peer has sent, without those that Node knows. */
function chainOf(leaf: X509Certificate | undefined): X509Certificate[] {
  const chain: X509Certificate[] = [];
  for (let next = leaf; next !== undefined; next = next.issuerCertificate) chain.push(next);
  return chain;
}

function asHandshakeFailed(error: NodeJS.ErrnoException, target: HandshakeTarget): HandshakeFailed {
  if (error instanceof HandshakeFailed) return error;
  if (error.syscall !== 'connect') return refused(target, error);
  const detail = `${error.code}: does HAProxy bind there? Set haproxy.handshake to its binds, or to []`;
  return new HandshakeFailed('ERR_HANDSHAKE_CONNECT', target, detail, { cause: error });
}

function refused(target: HandshakeTarget, cause?: NodeJS.ErrnoException): HandshakeFailed {
  const detail = `refused (${cause?.code ?? 'closed'}): no certificate for this name on that bind`;
  return new HandshakeFailed('ERR_HANDSHAKE_REFUSED', target, detail, { cause });
}

function sha1Of({ leaf }: CombinedPem): string {
  return leaf.fingerprint.replaceAll(':', '');
}

function splitAddress(address: string): { host: string; port: number } {
  const { hostname, port } = new URL(`tcp://${address}`);
  return { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port) };
}
