/**
 * Whether an IP address may be asked at the word of somebody else: a certificate, a CA, a DNS record. Addresses of this machine, of private
 * networks and of cloud metadata services may not (IANA's special-purpose address registries, RFC 6890).
 */
import ipaddr from 'ipaddr.js';

/** @param address IPv4 or IPv6, without brackets; anything else is not public */
export function isPublicAddress(address: string): boolean {
  if (!ipaddr.isValid(address) || address.includes('%')) return false;
  // ::ffff:10.0.0.1 is 10.0.0.1.
  const plain = ipaddr.process(address);
  return plain.range() === 'unicast';
}
