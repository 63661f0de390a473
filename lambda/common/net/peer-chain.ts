/** The certificates that a TLS server sends in a handshake. */
import type { X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';

/**
 * Up to TLS 1.2, a server that demands a client certificate refuses the handshake after the client has verified that the server has the key
 * of the certificate it has sent: OpenSSL then has the master secret (label CLIENT_RANDOM). Such a chain counts, too.
 * @param onChain gets the leaf first; empty: the server has sent none
 * @param longest of more certificates, the first
 */
export function onPeerChain(
  tls: TLSSocket,
  onChain: (chain: X509Certificate[]) => void,
  longest = Number.POSITIVE_INFINITY,
): TLSSocket {
  // Node gives the chain only once.
  let proved: X509Certificate[] = [];
  tls.on('keylog', (line: Buffer) => {
    if (line.subarray(0, 14).toString() === 'CLIENT_RANDOM ') proved = chainOf(tls, longest);
  });
  tls.once('error', () => {
    if (proved.length > 0) onChain(proved);
  });
  return tls.once('secureConnect', () => onChain(proved.length > 0 ? proved : chainOf(tls, longest)));
}

/** Without those that Node knows. */
function chainOf(tls: TLSSocket, longest: number): X509Certificate[] {
  const chain: X509Certificate[] = [];
  let next = tls.getPeerX509Certificate();
  while (next !== undefined && chain.length < longest) {
    chain.push(next);
    next = next.issuerCertificate;
  }
  return chain;
}
