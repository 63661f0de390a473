/** What a handshake is to show of a combined PEM, and what it asks for. Without the private key: a proof has no use for it. */
import { isIP } from 'node:net';
import { type CombinedPem, leafNamesOf, namesOf } from '#contract/combined-pem.ts';

export interface WantedChain {
  /** SHA-1 of the leaf, in upper-case hexadecimal, as HAProxy shows it. */
  fingerprint: string;
  /** In upper-case hexadecimal. */
  serial: string;
  /** SHA-256 of each certificate, the leaf first, in upper-case hexadecimal. */
  digests: readonly string[];
  /** By which HAProxy finds it. */
  names: readonly string[];
  /** Its names are IP addresses, all of them. */
  isForAddresses: boolean;
}

export function wantedChainOf({ leaf, chain }: CombinedPem): WantedChain {
  const altNames = namesOf(leaf);
  return {
    fingerprint: leaf.fingerprint.replaceAll(':', ''),
    serial: leaf.serialNumber,
    digests: chain.map(({ fingerprint256 }) => fingerprint256.replaceAll(':', '')),
    names: leafNamesOf(leaf),
    isForAddresses: altNames.length > 0 && altNames.every((name) => isIP(name) !== 0),
  };
}
