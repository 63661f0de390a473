/**
 * TXT records as a CA sees them: from the name servers of their zone, for a resolver may remember for an hour that there was no record.
 * Where those servers do not show what is wanted (a CNAME leads elsewhere) or cannot be reached, the machine's resolvers answer.
 */
import { Resolver } from 'node:dns/promises';
import { DnsFailed, unanswered } from './errors.ts';

/**
 * @param isFine of values: no other server is asked
 * @returns the values that are there, each joined from its strings
 */
export type TxtLookup = (
  name: string,
  isFine: (values: readonly string[]) => boolean,
) => Promise<readonly string[]>;

/** What is asked of a resolver, or of name servers. */
export type TxtSource = Pick<Resolver, 'resolve4' | 'resolveNs' | 'resolveTxt'>;

/** Values at one name: no name has more in earnest. */
const MAX_VALUES = 64;
/** Where a firewall drops what goes to name servers, all of them cost a few seconds. */
const MAX_SERVERS = 3;

/** @param servers `address:port`; these alone are asked. Empty: the zone's own, then the machine's resolvers */
export function txtLookup(servers: readonly string[], open: typeof openSource = openSource): TxtLookup {
  const resolver = open(servers);
  return async (name, isFine) => {
    if (servers.length === 0) {
      const fresh = await askZone(resolver, name, open);
      if (fresh !== undefined && isFine(fresh)) return fresh;
    }
    return txtAt(resolver, name);
  };
}

function openSource(servers: readonly string[]): TxtSource {
  const resolver = new Resolver({ timeout: 2_000, tries: servers.length > 0 ? 1 : 3 });
  if (servers.length > 0) resolver.setServers(servers);
  return resolver;
}

/** @returns undefined if the zone's servers are not known, or do not answer */
async function askZone(
  resolver: TxtSource,
  name: string,
  open: typeof openSource,
): Promise<readonly string[] | undefined> {
  const addresses = await serversOf(resolver, name);
  if (addresses.length === 0) return undefined;
  return txtAt(open(addresses), name).catch((error: unknown) => {
    if (error instanceof DnsFailed) return undefined;
    throw error;
  });
}

/** Of the nearest zone above the name. */
async function serversOf(resolver: TxtSource, name: string): Promise<string[]> {
  const labels = name.split('.');
  for (let from = 1; from < labels.length - 1; from += 1) {
    const hosts = await resolver.resolveNs(labels.slice(from).join('.')).catch(() => []);
    if (hosts.length === 0) continue;
    const found = await Promise.all(
      hosts.slice(0, MAX_SERVERS).map((host) => resolver.resolve4(host).catch(() => [])),
    );
    return found.flat().slice(0, MAX_SERVERS);
  }
  return [];
}

async function txtAt(resolver: TxtSource, name: string): Promise<readonly string[]> {
  try {
    const records = await resolver.resolveTxt(name);
    return records.slice(0, MAX_VALUES).map((strings) => strings.join(''));
  } catch (error) {
    const cause = error as NodeJS.ErrnoException;
    if (cause.code === 'ENODATA' || cause.code === 'ENOTFOUND') return [];
    throw unanswered('TXT', name, cause);
  }
}
