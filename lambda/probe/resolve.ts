/** The addresses that clients find for a name: all of its A and AAAA records, behind any CNAME. */
import { Resolver } from 'node:dns/promises';
import { isIP } from 'node:net';
import { once } from '#common/once.ts';

export interface Resolved {
  addresses: readonly string[];
  /** Where a CNAME of the name points to: a content delivery network, for one. */
  alias?: string;
  /** The resolver's code where it gave no answer: `ESERVFAIL`, `ETIMEOUT`, … */
  fault?: string;
}

export type Resolve = (name: string) => Promise<Resolved>;

/** No name has more in earnest. */
const MAX_ADDRESSES = 32;
/** The name has no such record. */
const NOTHING: ReadonlySet<string> = new Set(['ENODATA', 'ENOTFOUND']);

/** Asks for each name once. @param servers `address:port`; empty: the machine's own resolvers */
export function resolverOf(servers: readonly string[]): Resolve {
  const resolver = new Resolver({ timeout: 3000, tries: 2 });
  if (servers.length > 0) resolver.setServers(servers);
  const answers = new Map<string, () => Promise<Resolved>>();
  return (name) => {
    const answer = answers.get(name) ?? once(() => resolve(resolver, name));
    answers.set(name, answer);
    return answer();
  };
}

async function resolve(resolver: Resolver, name: string): Promise<Resolved> {
  if (isIP(name) !== 0) return { addresses: [name] };
  const [ipv4, ipv6, alias] = await Promise.all([
    recordsOf(resolver.resolve4(name)),
    recordsOf(resolver.resolve6(name)),
    recordsOf(resolver.resolveCname(name)),
  ]);
  const addresses = [...new Set([...ipv4.records, ...ipv6.records])].slice(0, MAX_ADDRESSES);
  const fault = ipv4.fault ?? ipv6.fault;
  const [target] = alias.records;
  return { addresses, ...(target && { alias: target.toLowerCase() }), ...(fault && { fault }) };
}

async function recordsOf(answer: Promise<string[]>): Promise<{ records: string[]; fault?: string }> {
  try {
    return { records: await answer };
  } catch (error) {
    const { code = 'EUNKNOWN' } = error as NodeJS.ErrnoException;
    return NOTHING.has(code) ? { records: [] } : { records: [], fault: code };
  }
}
