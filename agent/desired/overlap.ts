/**
 * Names that several certificates of one host have. HAProxy hands out one of them: after a start the first by file
 * name, after a hot update **another one**, because an updated entry goes behind its namesakes (all versions). So the
 * rule is ours to keep: the first by file name is served, whatever was updated last.
 */
import { isIP } from 'node:net';
import type { WantedFile } from './files.ts';

/** @returns the same files by name, with what overlaps: `shadows` of their own names, and `namesakes`, themselves included */
export function withOverlaps(files: readonly WantedFile[]): WantedFile[] {
  const sorted = [...files].sort((a, b) => (a.file < b.file ? -1 : 1));
  const names = new Map(sorted.map((wanted) => [wanted.file, servedNames(wanted)]));
  const namesOf = ({ file }: WantedFile) => names.get(file) ?? [];
  const holders = holdersOf(sorted, namesOf);
  const groups = groupsOf([...holders.values()].filter((held) => held.length > 1));
  return sorted.map((wanted) => {
    const shadows = namesOf(wanted).flatMap((name) => {
      const by = holders.get(keyOf(wanted, name))?.[0];
      return by === undefined || by === wanted.file ? [] : [{ name, by }];
    });
    const isPair = wanted.isPair || namesOf(wanted).some((name) => holders.has(otherKey(wanted, name)));
    const namesakes = groups.get(wanted.file);
    return { ...wanted, isPair, ...(namesakes && { namesakes: [...namesakes].sort(), shadows }) };
  });
}

/**
 * Which files are to be committed again, in this order, so that the first by name is in front.
 * @param namesakes by name
 * @param loaded what was committed in this pass, by name, and therefore stands behind the others
 */
export function outOfOrder(namesakes: readonly string[], loaded: ReadonlySet<string>): string[] {
  const firstLoaded = namesakes.findIndex((file) => loaded.has(file));
  const firstStale = namesakes.findIndex((file, index) => index > firstLoaded && !loaded.has(file));
  return firstLoaded === -1 || firstStale === -1 ? [] : namesakes.slice(firstStale);
}

/** Names for which HAProxy is to hand it out: its filters in a crt-list, else those in the certificate. */
export function servedNames({ identifiers, listing }: Pick<WantedFile, 'identifiers' | 'listing'>): string[] {
  const filters = (listing?.sniFilters ?? []).filter((filter) => !filter.startsWith('!'));
  const refused = new Set(listing?.sniFilters.map((filter) => filter.toLowerCase()));
  const names = filters.length > 0 && !filters.includes('*') ? filters : identifiers;
  const isServed = (name: string) => isIP(name) === 0 && !refused.has(`!${name}`);
  return [...new Set(names.map((name) => name.toLowerCase()))].filter(isServed);
}

/** By name and kind of key: HAProxy hands out RSA to those who cannot do better, so the two kinds do not collide. */
function holdersOf(
  files: readonly WantedFile[],
  namesOf: (wanted: WantedFile) => readonly string[],
): Map<string, string[]> {
  const holders = new Map<string, string[]>();
  for (const wanted of files)
    for (const name of namesOf(wanted)) {
      const key = keyOf(wanted, name);
      const held = holders.get(key);
      if (held === undefined) holders.set(key, [wanted.file]);
      else held.push(wanted.file);
    }
  return holders;
}

const isRsa = ({ keyType }: WantedFile) => keyType.startsWith('rsa');
const keyOf = (wanted: WantedFile, name: string) => `${isRsa(wanted) ? 'rsa' : 'ec'} ${name}`;
const otherKey = (wanted: WantedFile, name: string) => `${isRsa(wanted) ? 'ec' : 'rsa'} ${name}`;

/** Files that share a name, or share one with a file that shares one: their order is one order. */
function groupsOf(shared: readonly (readonly string[])[]): Map<string, Set<string>> {
  const groups = new Map<string, Set<string>>();
  for (const files of shared) {
    const merged = new Set(files.flatMap((file) => [file, ...(groups.get(file) ?? [])]));
    for (const file of merged) groups.set(file, merged);
  }
  return groups;
}
