/**
 * Names that several of HAProxy's certificates have. HAProxy hands out the one that it loaded first, the agent makes it the one that was issued
 * last (agent/desired/overlap.ts): where the two differ, adopt leaves out what would make visitors get another one. Pure.
 */
import type { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { leafNamesOf } from '#contract/combined-pem.ts';
import type { KeyKind } from '../../probe/handshake.ts';
import type { ChosenCertificate, ChosenFile, LeftOut, LoadedFile } from './choose-files.ts';

/** A certificate of a bind. */
export interface HeldFile {
  file: string;
  leaf: X509Certificate;
}

/** A name for which a bind has several certificates of one kind of key. */
export interface SharedName {
  name: string;
  kind: KeyKind;
  /** In the order in which HAProxy loads them. */
  held: readonly HeldFile[];
}

/** What one bind hands out for such a name. */
export interface ServedName extends SharedName {
  served: HeldFile;
}

/** @param files of one bind, in the order of its line */
export function sharedNamesOf(files: readonly LoadedFile[]): SharedName[] {
  const names = new Map<string, SharedName & { held: HeldFile[] }>();
  for (const one of files) {
    const { leaf } = one.pem;
    if (leaf === undefined) continue;
    const kind = kindOf(leaf);
    for (const name of servedNamesOf(one)) {
      const shared = names.get(`${kind} ${name}`) ?? { name, kind, held: [] };
      if (!shared.held.some(({ file }) => file === one.file)) shared.held.push({ file: one.file, leaf });
      names.set(`${kind} ${name}`, shared);
    }
  }
  return [...names.values()].filter(
    ({ held }) => new Set(held.map(({ leaf }) => leaf.fingerprint256)).size > 1,
  );
}

export interface NameChoice {
  certificates: readonly ChosenCertificate[];
  leftOut: readonly LeftOut[];
  /** Before the next renewal. */
  todos: readonly string[];
}

/**
 * What can be given to the agent so that each name goes on to be served as it is.
 * @param served of each bind
 */
export function withoutContested(
  chosen: readonly ChosenCertificate[],
  served: readonly ServedName[],
): NameChoice {
  const leftOut: LeftOut[] = [];
  let certificates = chosen;
  for (;;) {
    const reasons = reasonsOf(certificates, served);
    if (reasons.size === 0) return { certificates, leftOut, todos: todosOf(certificates, served) };
    const out = certificates.filter(({ files }) => files.some(({ file }) => reasons.has(file)));
    const [why = ''] = reasons.values();
    const files = out.flatMap((one) => one.files);
    leftOut.push(...files.map(({ file }) => ({ file, why: reasons.get(file) ?? why })));
    certificates = certificates.filter((one) => !out.includes(one));
  }
}

/** By file, why it cannot be the agent's. */
function reasonsOf(
  certificates: readonly ChosenCertificate[],
  served: readonly ServedName[],
): Map<string, string> {
  const reasons = new Map<string, string>();
  const files = certificates.flatMap((one) => one.files);
  const held = holdersOf(files);
  for (const { name, kind, served: now, held: onBind } of served) {
    const rivals = held.get(`${kind} ${name}`) ?? [];
    const isHere = ({ file }: ChosenFile) => onBind.some((one) => one.file === file);
    const [first] = rivals;
    if (first === undefined || !rivals.some(isHere)) continue;
    const isServed = ({ pem: { leaf } }: ChosenFile) => leaf.fingerprint256 === now.leaf.fingerprint256;
    if (!rivals.some(isServed)) {
      const why = `HAProxy serves ${now.file} for ${name}, which is not adopted: take one of the two off the bind, then adopt again`;
      for (const { file } of rivals.filter(isHere)) reasons.set(file, why);
    } else if (!isServed(first) && isHere(first)) {
      const why = `HAProxy serves ${now.file} for ${name}, and the agent would serve ${first.file}, which was issued later: take one of the two off the bind, then adopt again`;
      for (const { file } of rivals) reasons.set(file, why);
    }
  }
  if (reasons.size > 0) return reasons;
  for (const one of files) {
    const keys = servedNamesOf(one).map((name) => `${kindOf(one.pem.leaf)} ${name}`);
    const winners = keys.map((key) => held.get(key)?.[0]);
    const [winner] = winners;
    if (winner === undefined || winners.includes(one)) continue;
    reasons.set(
      one.file,
      `${winner.file}, which was issued later, has its names, and the agent serves one certificate of a name: take one of the two out of HAProxy's configuration, then adopt again`,
    );
  }
  return reasons;
}

/** What was adopted moves behind the other when it is renewed. */
function todosOf(certificates: readonly ChosenCertificate[], served: readonly ServedName[]): string[] {
  const kept = certificates.flatMap(({ files }) => files);
  return served.flatMap(({ name, held, served: now }) => {
    const own = kept.find(({ pem: { leaf } }) => leaf.fingerprint256 === now.leaf.fingerprint256);
    const others = held.filter(({ file }) => !kept.some((one) => one.file === file)).map(({ file }) => file);
    if (own === undefined || others.length === 0) return [];
    return [
      `${others.join(', ')} has ${name}, too, and is not adopted: take it off the bind, or HAProxy serves it in place of the renewal of ${own.file}`,
    ];
  });
}

/** By kind of key and name, in the agent's order. */
function holdersOf(files: readonly ChosenFile[]): Map<string, ChosenFile[]> {
  const holders = new Map<string, ChosenFile[]>();
  for (const one of files) {
    for (const name of servedNamesOf(one)) {
      const key = `${kindOf(one.pem.leaf)} ${name}`;
      holders.set(key, [...(holders.get(key) ?? []), one]);
    }
  }
  for (const held of holders.values()) held.sort(issuedLaterFirst);
  return holders;
}

/** All of them are valid, are published at once, and are configured with all of their names. */
function issuedLaterFirst(a: ChosenFile, b: ChosenFile): number {
  const byTime = Date.parse(b.pem.leaf.validFrom) - Date.parse(a.pem.leaf.validFrom);
  return byTime !== 0 ? byTime : Number(a.file > b.file) - Number(a.file < b.file);
}

const kindOf = ({ publicKey }: X509Certificate): KeyKind =>
  publicKey.asymmetricKeyType === 'rsa' ? 'rsa' : 'ecdsa';

/** No client asks for an address. */
const servedNamesOf = ({ pem: { leaf } }: LoadedFile): string[] =>
  leaf === undefined ? [] : leafNamesOf(leaf).filter((name) => isIP(name) === 0);
