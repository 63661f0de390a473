/**
 * Where the TXT record of a name belongs (RFC 8555 §8.4): at `_acme-challenge.<name>`, or where a CNAME there points to.
 * Validators follow it, so a zone that must not be written to can point to one that may.
 */
import { randomBytes } from 'node:crypto';
import { Resolver } from 'node:dns/promises';
import { DnsFailed, unanswered } from './errors.ts';

/** @returns the target of the CNAME at `name`, if there is one; both without a dot at their end */
export type CnameLookup = (name: string) => Promise<string | undefined>;

/** RFC 1034 §3.6.2 sets no limit; resolvers give up at about this. */
const MAX_HOPS = 8;

export async function dnsTarget(identifier: string, lookup: CnameLookup): Promise<string> {
  const first = `_acme-challenge.${identifier}`;
  const target = await lookup(first);
  if (target === undefined || (await isSynthesized(identifier, target, lookup))) return first;
  const chain = [first];
  for (let name: string | undefined = target; name !== undefined; name = await lookup(name)) {
    if (chain.includes(name) || chain.length > MAX_HOPS) {
      const hops = [...chain, name].join(' → ');
      throw new DnsFailed('ERR_DNS_LOOKUP', `the CNAME at ${first} leads nowhere: ${hops}`);
    }
    chain.push(name);
  }
  return chain.at(-1) ?? first;
}

/**
 * `*.example.com CNAME elsewhere` answers for `_acme-challenge.example.com` too. That is no delegation: a record
 * at the name itself takes its place (RFC 4592 §2.2).
 */
async function isSynthesized(identifier: string, target: string, lookup: CnameLookup): Promise<boolean> {
  const sibling = `_pemfleet-${randomBytes(6).toString('hex')}.${identifier}`;
  return (await lookup(sibling)) === target;
}

/** @param servers `address:port`; empty: the machine's own resolvers */
export function cnameLookup(servers: readonly string[]): CnameLookup {
  const resolver = new Resolver({ timeout: 3_000, tries: 3 });
  if (servers.length > 0) resolver.setServers(servers);
  return async (name) => {
    try {
      const [target] = await resolver.resolveCname(name);
      return target?.toLowerCase();
    } catch (error) {
      const cause = error as NodeJS.ErrnoException;
      if (cause.code === 'ENODATA' || cause.code === 'ENOTFOUND') return undefined;
      throw unanswered('CNAME', name, cause);
    }
  };
}
