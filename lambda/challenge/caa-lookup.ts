/** The CAA records that apply to a name: its own, or those of the nearest name upwards that has any (RFC 8659 §3). */

import { Resolver } from 'node:dns/promises';
import { withoutWildcard } from '../config/identifier.ts';
import type { CaaRecord } from './caa.ts';

export interface CaaAnswer {
  /** Where the records are; undefined: nowhere up to the top, so any CA may issue. */
  readonly at: string | undefined;
  readonly records: readonly CaaRecord[];
  /** The resolver's code where it gave no answer: a CA must not issue then (§5.6). `at` is the name. */
  readonly fault?: string;
}

export type CaaLookup = (name: string) => Promise<CaaAnswer>;

/** No name has more in earnest. */
const MAX_RECORDS = 64;

/**
 * Asks for each name once. CNAMEs are followed by the resolver, and the names above their target are not asked (§3).
 * @param maxFaults after so many, nothing is asked any more: each further answer is a fault
 */
export function caaLookup(
  servers: readonly string[],
  maxFaults: number = Number.POSITIVE_INFINITY,
): CaaLookup {
  const resolver = new Resolver({ timeout: 3_000, tries: 3 });
  if (servers.length > 0) resolver.setServers(servers);
  const answers = new Map<string, Promise<CaaAnswer>>();
  let faults = 0;
  const ask = async (name: string): Promise<CaaAnswer> => {
    if (faults >= maxFaults) return { at: name, records: [], fault: 'ENOTASKED' };
    const answer = await caaAt(resolver, name, climb);
    if (answer.fault !== undefined && answer.at === name) faults += 1;
    return answer;
  };
  const climb = (name: string): Promise<CaaAnswer> => {
    const known = answers.get(name) ?? ask(name);
    answers.set(name, known);
    return known;
  };
  return (identifier) => climb(withoutWildcard(identifier));
}

async function caaAt(resolver: Resolver, name: string, climb: CaaLookup): Promise<CaaAnswer> {
  try {
    const records = (await resolver.resolveCaa(name)).slice(0, MAX_RECORDS).flatMap(recordsOf);
    if (records.length > 0) return { at: name, records };
  } catch (error) {
    const { code = 'EUNKNOWN' } = error as NodeJS.ErrnoException;
    if (code !== 'ENODATA' && code !== 'ENOTFOUND') return { at: name, records: [], fault: code };
  }
  const dot = name.indexOf('.');
  return dot < 0 ? { at: undefined, records: [] } : climb(name.slice(dot + 1));
}

/** Node has the tag as the name of a field. */
function recordsOf({ critical, ...properties }: { critical: number }): CaaRecord[] {
  return Object.entries(properties as Record<string, unknown>).flatMap(([tag, value]) =>
    typeof value === 'string' ? [{ isCritical: critical >= 128, tag: tag.toLowerCase(), value }] : [],
  );
}
