/**
 * Whether an IP address may be asked at the word of somebody else: a certificate, a CA, a DNS record. Addresses of this machine, of private
 * networks and of cloud metadata services may not (IANA's special-purpose address registries, RFC 6890).
 */
import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';

/** @param address IPv4 or IPv6, without brackets; anything else is not public */
export function isPublicAddress(address: string): boolean {
  return rangeOf(address) === 'unicast';
}

const PRIVATE = ['loopback', 'private', 'uniqueLocal', 'carrierGradeNat'];
/** Metadata services inside of these ranges: of AWS, and of Alibaba Cloud. The others' are link-local. */
const METADATA = ['fd00:ec2::254', '100.100.100.200'].map((address) => ipaddr.process(address).toString());

/** Of this machine or of a private network, and no cloud metadata service. */
export function isPrivateAddress(address: string): boolean {
  const range = rangeOf(address);
  return range !== undefined && PRIVATE.includes(range) && !METADATA.includes(plainOf(address).toString());
}

function rangeOf(address: string): string | undefined {
  return isIP(address) !== 0 && !address.includes('%') ? plainOf(address).range() : undefined;
}

/** ::ffff:10.0.0.1 is 10.0.0.1, and so is 64:ff9b::a00:1, which NAT64 leads there (RFC 6052 §2.1). */
function plainOf(address: string): ipaddr.IPv4 | ipaddr.IPv6 {
  const plain = ipaddr.process(address);
  if (plain instanceof ipaddr.IPv6 && plain.range() === 'rfc6052') {
    return new ipaddr.IPv4(plain.toByteArray().slice(12));
  }
  return plain;
}
