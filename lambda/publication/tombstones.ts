/** Tombstones as values: united, dropped when they are over, and the rule that holds back too many removals. */
import type { CertificateName } from '#contract/layout.ts';
import type { ManifestEntry, PemRef, Tombstone } from '#contract/manifest.ts';

type Tombstones = Readonly<Record<string, Tombstone>>;
export type EndedPem = Tombstone['pems'][number];

/** PEMs that one tombstone can name; those that expire last are the ones that matter. */
const MAX_PEMS = 1000;

/** The last PEM has expired: nobody has to be told any more. */
export function isOver({ pems }: Tombstone, now: Date): boolean {
  return pems.every(({ notAfter }) => Date.parse(notAfter) <= now.getTime());
}

/** Of one name, the later word counts for the PEMs of both. */
export function uniteTombstones(a: Tombstones, b: Tombstones): Record<string, Tombstone> {
  const united: Record<string, Tombstone> = { ...a };
  for (const [name, one] of Object.entries(b)) {
    const other = united[name];
    united[name] = other === undefined ? one : unite(other, one);
  }
  return united;
}

function unite(a: Tombstone, b: Tombstone): Tombstone {
  const later = a.at > b.at ? a : b;
  return { ...later, pems: unitePems(a.pems, b.pems) };
}

/** Each PEM once, those that expire last first. */
export function unitePems(...lists: readonly (readonly EndedPem[])[]): EndedPem[] {
  const byDigest = new Map(lists.flat().map((pem) => [pem.sha256, pem]));
  const lastFirst = (x: EndedPem, y: EndedPem) =>
    y.notAfter.localeCompare(x.notAfter) || x.sha256.localeCompare(y.sha256);
  return [...byDigest.values()].sort(lastFirst).slice(0, MAX_PEMS);
}

export function sameTombstones(a: Tombstones, b: Tombstones): boolean {
  return fingerprint(a) === fingerprint(b);
}

function fingerprint(tombstones: Tombstones): string {
  const lines = Object.entries(tombstones).map(([name, { reason, at, by, pems }]) => {
    const digests = pems.map(({ sha256 }) => sha256).sort();
    return JSON.stringify([name, reason, at, by, digests]);
  });
  return lines.sort().join();
}

/** Of all tombstones of a fleet. */
export function endedDigests(tombstones: Tombstones): ReadonlySet<string> {
  return new Set(Object.values(tombstones).flatMap(({ pems }) => pems.map(({ sha256 }) => sha256)));
}

export function endedPemOf({ sha256, notAfter }: PemRef): EndedPem {
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
