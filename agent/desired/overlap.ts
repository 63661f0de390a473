/**
 * Names that several certificates of one host have. HAProxy hands out one of these certificates: after a start the
 * first by file name, after a hot update **a different one**, because an updated entry goes behind its namesakes (all
 * versions). So the agent keeps the rule: the first by file name is served, whatever was updated last.
 */
import { isIP } from 'node:net';
import type { DesiredFile } from './files.ts';

/** @returns the same files by name, with what overlaps: `shadows` of their own names, and `namesakes`, themselves included */
export function withOverlaps(files: readonly DesiredFile[]): DesiredFile[] {
  const sorted = [...files].sort((a, b) => (a.file < b.file ? -1 : 1));
  const names = new Map(sorted.map((desired) => [desired.file, servedNames(desired)]));
  const namesOf = ({ file }: DesiredFile) => names.get(file) ?? [];
  const holders = holdersOf(sorted, namesOf);
  const groups = groupsOf([...holders.values()].filter((held) => held.length > 1));
  return sorted.map((desired) => {
    const shadows = namesOf(desired).flatMap((name) => {
      const by = holders.get(keyOf(desired, name))?.[0];
      return by === undefined || by === desired.file ? [] : [{ name, by }];
    });
    const isPair = desired.isPair || namesOf(desired).some((name) => holders.has(otherKey(desired, name)));
    const namesakes = groups.get(desired.file);
    if (namesakes === undefined) return { ...desired, isPair };
    return { ...desired, isPair, namesakes: [...namesakes].sort(), shadows };
  });
}

/**
 * @param namesakes sorted
 * @param loaded files that this pass has committed, in the order of their names: they stand behind the others
 * @returns the files to commit again, in this order, so that the first by name is in front
 */
export function outOfOrder(namesakes: readonly string[], loaded: ReadonlySet<string>): string[] {
  const firstLoaded = namesakes.findIndex((file) => loaded.has(file));
  const firstStale = namesakes.findIndex((file, index) => index > firstLoaded && !loaded.has(file));
  return firstLoaded === -1 || firstStale === -1 ? [] : namesakes.slice(firstStale);
}

/** Names for which HAProxy is to hand it out: its SNI filters in a crt-list, else those in the certificate. */
export function servedNames({
  identifiers,
  listing,
}: Pick<DesiredFile, 'identifiers' | 'listing'>): string[] {
  const filters = (listing?.sniFilters ?? []).filter((filter) => !filter.startsWith('!'));
  const refused = new Set(listing?.sniFilters.map((filter) => filter.toLowerCase()));
  const names = filters.length > 0 && !filters.includes('*') ? filters : identifiers;
  const isServed = (name: string) => isIP(name) === 0 && !refused.has(`!${name}`);
  return [...new Set(names.map((name) => name.toLowerCase()))].filter(isServed);
}

/** By name and kind of key: HAProxy hands out RSA to clients that know nothing better, so the two kinds do not collide. */
function holdersOf(
  files: readonly DesiredFile[],
  namesOf: (desired: DesiredFile) => readonly string[],
): Map<string, string[]> {
  const holders = new Map<string, string[]>();
  for (const desired of files) {
    for (const name of namesOf(desired)) {
      const key = keyOf(desired, name);
      const held = holders.get(key);
      if (held === undefined) holders.set(key, [desired.file]);
      else held.push(desired.file);
    }
  }
  return holders;
}

const isRsa = ({ keyType }: DesiredFile) => keyType.startsWith('rsa');
const keyOf = (desired: DesiredFile, name: string) => `${isRsa(desired) ? 'rsa' : 'ec'} ${name}`;
const otherKey = (desired: DesiredFile, name: string) => `${isRsa(desired) ? 'ec' : 'rsa'} ${name}`;

/** Files that share a name, or share one with a file that shares one: their order is one order. */
function groupsOf(shared: readonly (readonly string[])[]): Map<string, Set<string>> {
  const groups = new Map<string, Set<string>>();
  for (const files of shared) {
    const merged = new Set(files.flatMap((file) => [file, ...(groups.get(file) ?? [])]));
    for (const file of merged) groups.set(file, merged);
  }
  return groups;
}
