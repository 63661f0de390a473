/** Tombstones as values: united, dropped when they are over, and the rule that holds back too many removals. */
import { DAY_MS } from '#common/time.ts';
import type { CertificateName } from '#contract/layout.ts';
import {
  type EndingWord,
  MAX_ENDED_PEMS,
  type ManifestEntry,
  type PemRef,
  type Tombstone,
  wordOf,
} from '#contract/manifest.ts';

type Tombstones = Readonly<Record<string, Tombstone>>;
export type EndedPem = Tombstone['pems'][number];

/** A clock that is ahead by less forgets nothing that is valid. */
const KEPT_MS = 30 * DAY_MS;

/** The last PEM expired 30 days ago: nobody has to be told any more. */
function isOver({ pems }: Tombstone, now: Date): boolean {
  return pems.every(({ notAfter }) => Date.parse(notAfter) + KEPT_MS <= now.getTime());
}

/**
 * The time by which a commit forgets what is over and drops what has expired. A clock that is more than 30 days beyond the signature of the
 * root that was read may be wrong: that commit goes by the signature's time.
 */
export function forgettingTime({ signedAt }: { signedAt: string }, now: Date): Date {
  const signed = new Date(signedAt);
  return now.getTime() - signed.getTime() > KEPT_MS ? signed : now;
}

/** Each PEM keeps the word by which it was ended: another word about the name is no word about it. */
export function uniteTombstones(a: Tombstones, b: Tombstones): Record<string, Tombstone> {
  const united: Record<string, Tombstone> = { ...a };
  for (const [name, one] of Object.entries(b)) {
    const other = united[name];
    united[name] = other === undefined ? one : unite(other, one);
  }
  return united;
}

function unite(a: Tombstone, b: Tombstone): Tombstone {
  const [later, earlier] = a.at > b.at ? [a, b] : [b, a];
  const words = wordsOf(later);
  for (const [sha256, word] of wordsOf(earlier)) words.set(sha256, stronger(word, words.get(sha256)));
  const pems = unitePems(later.pems, earlier.pems).map((pem) => {
    const { reason: _, at: __, by: ___, ...bare } = pem;
    const word = words.get(pem.sha256);
    return word === undefined || isSameWord(word, later) ? bare : { ...bare, ...word };
  });
  const stolenAt = laterOf(later.stolenAt, earlier.stolenAt);
  return { ...later, ...(stolenAt !== undefined && { stolenAt }), pems };
}

function laterOf(a: string | undefined, b: string | undefined): string | undefined {
  return a === undefined || (b !== undefined && b > a) ? b : a;
}

function wordsOf(tombstone: Tombstone): Map<string, EndingWord> {
  return new Map(tombstone.pems.map((pem) => [pem.sha256, wordOf(tombstone, pem)]));
}

/** `superseded` is a word with a condition; one without it counts more. Else the later one does. */
function stronger(a: EndingWord, b: EndingWord | undefined): EndingWord {
  if (b === undefined) return a;
  const [isConditional, isOther] = [a, b].map(({ reason }) => reason === 'superseded');
  if (isConditional !== isOther) return isConditional ? b : a;
  return a.at > b.at ? a : b;
}

/**
 * Whether each PEM has been ended by this word before: what is said again, because a key could not be deleted for example, signs nothing.
 * @param known of the same name
 */
export function isSaidAlready(
  known: Tombstone | undefined,
  { reason, by, stolenAt, pems }: Tombstone,
): boolean {
  if (known === undefined) return false;
  const words = wordsOf(known);
  return pems.every(({ sha256 }) => {
    const word = words.get(sha256);
    const isSame = word?.reason === reason && word.by?.join() === by?.join();
    return isSame && (stolenAt === undefined || (known.stolenAt ?? '') >= word.at);
  });
}

function isSameWord(a: EndingWord, b: EndingWord): boolean {
  return a.reason === b.reason && a.at === b.at && a.by?.join() === b.by?.join();
}

/** Each PEM once, as many as a tombstone can name, from each list in turn: a list that a stranger has filled cuts off no other one. */
export function unitePems(...lists: readonly (readonly EndedPem[])[]): EndedPem[] {
  const byDigest = new Map<string, EndedPem>();
  const longest = Math.max(0, ...lists.map(({ length }) => length));
  for (let index = 0; index < longest; index += 1) {
    for (const list of lists) {
      const pem = list[index];
      if (pem !== undefined && !byDigest.has(pem.sha256)) byDigest.set(pem.sha256, pem);
    }
  }
  return [...byDigest.values()].slice(0, MAX_ENDED_PEMS);
}

export function sameTombstones(a: Tombstones, b: Tombstones): boolean {
  return fingerprint(a) === fingerprint(b);
}

function fingerprint(tombstones: Tombstones): string {
  const lines = Object.entries(tombstones).map(([name, tombstone]) => {
    const { reason, at, by, stolenAt, pems } = tombstone;
    const words = pems.map((pem) => {
      const word = wordOf(tombstone, pem);
      return [pem.sha256, word.reason, word.at, word.by].join();
    });
    return JSON.stringify([name, reason, at, by, stolenAt, words.sort()]);
  });
  return lines.sort().join();
}

/** Without those that are over. */
export function livingTombstones(tombstones: Tombstones, now: Date): Record<string, Tombstone> {
  return Object.fromEntries(Object.entries(tombstones).filter(([, one]) => !isOver(one, now)));
}

/** Without these PEMs, and without tombstones of which nothing is left. @returns `tombstones` itself if none of them is named */
export function withoutDigests(tombstones: Tombstones, digests: ReadonlySet<string>): Tombstones {
  if (digests.size === 0) return tombstones;
  const rest = Object.entries(tombstones).flatMap(([name, one]) => {
    const pems = one.pems.filter(({ sha256 }) => !digests.has(sha256));
    return pems.length === 0 ? [] : [[name, { ...one, pems }] as const];
  });
  return Object.fromEntries(rest);
}

const NONE: Tombstones = {};

/** By tombstones, which nobody changes: each certificate of a pass asks for them. */
const collected = new WeakMap<Tombstones, ReadonlySet<string>>();

/** Of all tombstones of a fleet. */
export function endedDigests(tombstones: Tombstones = NONE): ReadonlySet<string> {
  const known = collected.get(tombstones);
  if (known !== undefined) return known;
  const digests = new Set(Object.values(tombstones).flatMap(({ pems }) => pems.map(({ sha256 }) => sha256)));
  collected.set(tombstones, digests);
  return digests;
}

export function endedPemOf({ sha256, notAfter }: Pick<PemRef, 'sha256' | 'notAfter'>): EndedPem {
  return { sha256, notAfter };
}

/** The PEMs that an entry names, now and before, and that are still valid. */
export function validPemsOf(entry: ManifestEntry | undefined, now: Date): EndedPem[] {
  const all = [...(entry?.pems ?? []), ...(entry?.previous?.pems ?? [])];
  return all.filter(({ notAfter }) => Date.parse(notAfter) > now.getTime()).map(endedPemOf);
}

export interface Removal {
  name: CertificateName;
  reason: string;
  /** The operator has said so with `--yes`. */
  yes: boolean;
}

/**
 * More than a third of a fleet at once is a mistake more often than a wish. Superseded certificates do not count: others are proved for all
 * of their names.
 * @param removals of certificates that the manifest has @param count of certificates in the manifest
 * @returns the names that wait for the operator's word
 */
export function heldRemovals(removals: readonly Removal[], count: number): ReadonlySet<CertificateName> {
  const risky = removals.filter(({ reason }) => reason !== 'superseded');
  const isTooMany = risky.length > 1 && risky.length * 3 > count;
  return new Set(isTooMany ? risky.filter(({ yes }) => !yes).map(({ name }) => name) : []);
}
