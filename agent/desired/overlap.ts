/**
 * Names that several certificates of one host have. HAProxy hands out one of these certificates: after a start the
 * first by file name, after a hot update **a different one**, because an updated entry goes behind its namesakes (all
 * versions). The agent decides instead which one is served, and commits the others again until it is (pass/name-order.ts).
 */
import { isIP } from 'node:net';
import type { DesiredFile } from './files.ts';

/**
 * @param files with the `names` of their leaves, as far as these have been read
 * @param isByName HAProxy cannot be told otherwise: the first by file name is served
 * @returns the same files, sorted by file name, with what overlaps: `namesakes`, and the names that each of them has
 * before the others (`precedences`) or behind another (`shadows`)
 */
export function withOverlaps(files: readonly DesiredFile[], now: Date, isByName = false): DesiredFile[] {
  const sorted = [...files].sort((a, b) => (a.file < b.file ? -1 : 1));
  const names = new Map(sorted.map((desired) => [desired.file, servedNames(desired)]));
  const namesOf = ({ file }: DesiredFile) => names.get(file) ?? [];
  const holders = holdersOf(sorted, namesOf);
  const shared = [...holders].filter(([, held]) => held.length > 1);
  const merelyHeld = countMerelyHeld(shared);
  const before = (a: DesiredFile, b: DesiredFile) =>
    isByName ? precedenceByName(a, b) : precedence(a, b, now, merelyHeld);
  for (const [, held] of shared) held.sort((a, b) => before(a, b).order);
  const groups = groupsOf(shared.map(([, held]) => held));
  const hasOtherKind = (desired: DesiredFile) =>
    namesOf(desired).some((name) =>
      [name, wildcardOf(name)].some((one) => holders.has(otherKey(desired, one))),
    );
  return sorted.map((desired) => {
    const isPair = desired.isPair || hasOtherKind(desired);
    const group = groups.get(desired);
    if (group === undefined) return { ...desired, isPair };
    const contested = namesOf(desired).map(
      (name) => [name, holders.get(keyOf(desired, name)) ?? []] as const,
    );
    return {
      ...desired,
      isPair,
      namesakes: [...group].sort((a, b) => before(a, b).order).map(({ file }) => file),
      precedences: precedencesOf(desired, contested),
      shadows: contested.flatMap(([name, [first = desired]]) =>
        first === desired ? [] : [{ name, by: first.file, why: before(first, desired).why }],
      ),
    };
  });
}

/**
 * @param namesakes in the order in which HAProxy is to have them
 * @param loaded those that this pass has committed, in this order: they stand behind the others
 * @returns the files to commit again, in this order
 */
export function outOfOrder(namesakes: readonly string[], loaded: readonly string[]): string[] {
  const present = [...namesakes.filter((file) => !loaded.includes(file)), ...loaded];
  const positions = namesakes.map((file) => present.indexOf(file));
  const firstWrong = positions.findIndex((at, index) => at < (positions[index - 1] ?? -1));
  return firstWrong === -1 ? [] : namesakes.slice(firstWrong);
}

/** Names for which HAProxy is to hand it out: its SNI filters in a crt-list, else those in the certificate. */
export function servedNames({
  identifiers,
  names: leafNames = [],
  listing,
}: Pick<DesiredFile, 'identifiers' | 'names' | 'listing'>): string[] {
  const filters = (listing?.sniFilters ?? []).filter((filter) => !filter.startsWith('!'));
  const refused = new Set(listing?.sniFilters.map((filter) => filter.toLowerCase()));
  const names = filters.length > 0 && !filters.includes('*') ? filters : [...identifiers, ...leafNames];
  const isServed = (name: string) => isIP(name) === 0 && !refused.has(`!${name}`);
  return [...new Set(names.map((name) => name.toLowerCase()))].filter(isServed);
}

/**
 * Whether HAProxy hands it out for a client that asks for this name, another certificate of the host apart. Filters of a crt-list count
 * more than what the certificate has; one that refuses the name counts unless another names it exactly.
 */
export function isHandedOutFor(
  desired: Pick<DesiredFile, 'identifiers' | 'names' | 'listing'>,
  name: string,
): boolean {
  const wanted = name.toLowerCase();
  // No client asks for an address: what has it is the default certificate, or is not.
  if (isIP(wanted) !== 0) return hasName(desired, wanted);
  const served = servedNames(desired);
  if (served.includes(wanted)) return true;
  const filters = desired.listing?.sniFilters.map((filter) => filter.toLowerCase()) ?? [];
  const isRefused = filters.includes(`!${wanted}`) || filters.includes(`!${wildcardOf(wanted)}`);
  return !isRefused && served.includes(wildcardOf(wanted));
}

/** Whether the certificate is valid for the name. */
export function hasName(
  { identifiers, names = [] }: Pick<DesiredFile, 'identifiers' | 'names'>,
  name: string,
): boolean {
  const wanted = name.toLowerCase();
  const own = [...identifiers, ...names].map((one) => one.toLowerCase());
  return own.includes(wanted) || (isIP(wanted) === 0 && own.includes(wildcardOf(wanted)));
}

type Holders = [key: string, held: DesiredFile[]];

/** By name and kind of key: a client gets the certificate of the kind that it asks for, so the two kinds do not collide. */
function holdersOf(
  files: readonly DesiredFile[],
  namesOf: (desired: DesiredFile) => readonly string[],
): Map<string, DesiredFile[]> {
  const holders = new Map<string, DesiredFile[]>();
  for (const desired of files) {
    for (const name of namesOf(desired)) {
      const key = keyOf(desired, name);
      const held = holders.get(key);
      if (held === undefined) holders.set(key, [desired]);
      else held.push(desired);
    }
  }
  return holders;
}

const isRsa = ({ keyType }: DesiredFile) => keyType.startsWith('rsa');
const keyOf = (desired: DesiredFile, name: string) => `${isRsa(desired) ? 'rsa' : 'ec'} ${name}`;
const otherKey = (desired: DesiredFile, name: string) => `${isRsa(desired) ? 'ec' : 'rsa'} ${name}`;

/**
 * HAProxy prefers ECDSA to RSA before it prefers an exact name to a wildcard (2.6 with TLS 1.3: RSA to ECDSA), so a
 * wildcard of the other kind counts.
 */
const wildcardOf = (name: string) => name.replace(/^[^.]+/, '*');

/** How many of its shared names each file has without that the manifest asks for them. */
function countMerelyHeld(shared: readonly Holders[]): ReadonlyMap<DesiredFile, number> {
  const counts = new Map<DesiredFile, number>();
  for (const [key, held] of shared) {
    const name = key.slice(key.indexOf(' ') + 1);
    for (const desired of held) {
      const isConfigured = servedNames({ ...desired, names: undefined }).includes(name);
      if (!isConfigured) counts.set(desired, (counts.get(desired) ?? 0) + 1);
    }
  }
  return counts;
}

/**
 * The valid one before one that is not, one that stays before one that is superseded, the newer before the older, the one that the
 * manifest names, and names for this name, before the one that merely holds it. A commit moves a file as a whole, so that files have one order for all of their names.
 * @returns `order` below 0: `a` comes first, and `why`
 */
function precedence(
  a: DesiredFile,
  b: DesiredFile,
  now: Date,
  merelyHeld: ReadonlyMap<DesiredFile, number>,
): { order: number; why: string } {
  const isOver = ({ notBefore, notAfter }: DesiredFile) => Number(now < notBefore || now >= notAfter);
  const held = (desired: DesiredFile) => merelyHeld.get(desired) ?? 0;
  const rules: [order: number, why: string][] = [
    [isOver(a) - isOver(b), 'it is valid, the other is not'],
    [Number(a.isEnding ?? false) - Number(b.isEnding ?? false), 'the other is superseded'],
    [b.notBefore.getTime() - a.notBefore.getTime(), 'it was issued later'],
    [Number(a.isUnlisted ?? false) - Number(b.isUnlisted ?? false), 'the manifest does not name the other'],
    [held(a) - held(b), 'the manifest orders it for this name'],
    [b.publishedAt.getTime() - a.publishedAt.getTime(), 'it was published later'],
  ];
  const [order, why] = rules.find(([difference]) => difference !== 0) ?? [0, ''];
  return order === 0 ? precedenceByName(a, b) : { order, why };
}

function precedenceByName(a: DesiredFile, b: DesiredFile): { order: number; why: string } {
  const order = Number(a.file > b.file) - Number(a.file < b.file);
  return { order, why: 'its file name comes first' };
}

function precedencesOf(
  desired: DesiredFile,
  contested: readonly (readonly [name: string, held: readonly DesiredFile[]])[],
): string[] {
  const bySet = new Map<string, string>();
  for (const [name, held] of contested) {
    const set = held.map(({ file }) => file).join('\0');
    if (held.length > 1 && held[0] === desired && !bySet.has(set)) bySet.set(set, name);
  }
  return [...bySet.values()];
}

/** Files that share a name, or share one with a file that shares one: their order is one order. */
function groupsOf(shared: readonly (readonly DesiredFile[])[]): Map<DesiredFile, Set<DesiredFile>> {
  const groups = new Map<DesiredFile, Set<DesiredFile>>();
  for (const files of shared) {
    const merged = new Set(files.flatMap((file) => [file, ...(groups.get(file) ?? [])]));
    for (const file of merged) groups.set(file, merged);
  }
  return groups;
}
