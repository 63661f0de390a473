/** How this host reaches a bind of HAProxy. */

interface BoundAddress {
  /** As the `bind` line has it; one of several between commas. */
  address: string;
  acceptsProxy: boolean;
  /** `v4v6`: the IPv6 wildcard takes IPv4, too. */
  isForBothFamilies?: boolean;
}

/** As `haproxy.handshake` names the bind: an address on which this host reaches it. Of a range of ports the first. */
export function toHandshake({ address, acceptsProxy, isForBothFamilies }: BoundAddress): string {
  const first = address.replace(/(:\d+)-\d+$/, '$1').replace(/^\//, 'unix@/');
  const bare = first.replace(/^ipv[46]@/, '');
  const isWildcard = /^(\*|0\.0\.0\.0)?:\d/.test(bare) || (isForBothFamilies && /^(::|\[::\]):\d/.test(bare));
  const port = bare.slice(bare.lastIndexOf(':'));
  const loopback = first.startsWith('ipv6@') ? '[::1]' : '127.0.0.1';
  const local = isWildcard ? `${loopback}${port}` : bare.replace(/^(::|\[::\])(:\d+)$/, '[::1]$2');
  return acceptsProxy ? `proxy@${local}` : local;
}
