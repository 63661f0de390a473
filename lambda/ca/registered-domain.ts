/**
 * What CAs count certificates by: the registered domain of a name, by the Public Suffix List with its private part (`me.github.io` is
 * registered, `github.io` is a suffix), an IPv4 address, the /64 network of an IPv6 address (Boulder, ratelimits/utilities.go).
 */

import { isIP } from 'node:net';
import { getDomain } from 'tldts';
import { withoutWildcard } from '../config/identifier.ts';

const OPTIONS = { allowPrivateDomains: true, extractHostname: false, validateHostname: false };

/** Of a certificate, each once. */
export function registeredDomainsOf(identifiers: readonly string[]): string[] {
  return [...new Set(identifiers.map(registeredDomainOf))].sort();
}

/** A name that is a public suffix itself counts as its own domain. */
export function registeredDomainOf(identifier: string): string {
  const version = isIP(identifier);
  if (version === 4) return identifier;
  if (version === 6) return networkOf(identifier);
  const name = withoutWildcard(identifier);
  return getDomain(name, OPTIONS) ?? name;
}

function networkOf(address: string): string {
  const [before = '', after = ''] = address.split('::');
  const [head, tail] = [before, after].map((part) => part.split(':').filter((group) => group !== ''));
  const missing = 8 - (head?.length ?? 0) - (tail?.length ?? 0);
  const groups = [
    ...(head ?? []),
    ...Array.from({ length: Math.max(0, missing) }, () => '0'),
    ...(tail ?? []),
  ];
  const network = groups.slice(0, 4).map((group) => Number.parseInt(group, 16).toString(16));
  return `${network.join(':')}::/64`;
}
