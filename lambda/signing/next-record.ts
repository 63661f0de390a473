/** What the record in `issuer/` holds after each change of a key. Nothing here touches the bucket. */
import { DAY_MS, HOUR_MS } from '#common/time.ts';
import {
  followKeys,
  type KeyClaims,
  readKeyStatements,
  signKeyStatement,
  type TrustedKey,
} from '#contract/key-chain.ts';
import { generatePrivateKey, type PublicKey, type Signer, signerOf } from '#contract/statement.ts';
import { newSigningKey, type SigningKeyRecord, type StoredSigningKey } from './record.ts';
import { type RecoveryKey, RecoveryKeyRefused } from './recovery-file.ts';
import type { SignedRoot } from './signed-roots.ts';

/** What is published, and when it was read. */
export interface KeySurvey {
  now: Date;
  /** Of `keys.json` of all fleets. */
  statements: readonly string[];
  roots: readonly SignedRoot[];
}

/** A record has room for so many: the newest. */
const MAX_STATEMENTS = 1000;
/** Of statements that lead from earlier keys, taken from `published/`: a quarter of what `keys.json` may have. */
const MAX_LEADING_BYTES = 262_144;
/** Longer than any pass. */
const PASS_MS = HOUR_MS;

/** The key names its successor. */
export function rotated({ record, signer }: StoredSigningKey, survey: KeySurvey): SigningKeyRecord {
  const number = numberAfter(survey.now, [record.number]);
  const next = handOver(record, { by: signer, number, now: survey.now });
  return { ...next, earlier: [...record.earlier, retired(signer.key, number, survey)] };
}

export interface Recovery {
  /** Undefined: it is lost. */
  stored: StoredSigningKey | undefined;
  recovery: RecoveryKey;
  /** What the keys before have signed counts no more. */
  isStolen: boolean;
}

/**
 * The recovery key names the next key, in the same lineage.
 * @throws RecoveryKeyRefused if hosts know another recovery key
 */
export function recovered({ stored, recovery, isStolen }: Recovery, survey: KeySurvey): SigningKeyRecord {
  const { lineage = '' } = recovery.trusted;
  const { key: recoveryKey } = recovery.signer;
  const own = stored?.record.lineage === lineage ? stored.record : undefined;
  const { statements: ownWords = [] } = own ?? {};
  const said =
    own === undefined || !isStolen ? [...(own?.statements ?? []), ...survey.statements] : own.statements;
  const known = own ?? followKeys(said, recovery.trusted);
  if (known.recoveryKey !== recoveryKey) throw new RecoveryKeyRefused(otherRecoveryKey(known, recoveryKey));
  const before = [recovery.trusted.key, ...keysOf(stored)];
  const chain = chainOf(said, { ...recovery.trusted, lineage, keys: [...before, recoveryKey] }, survey.now);
  const number = numberAfter(survey.now, [recovery.trusted.number, own?.number ?? 0, ...chain.numbers]);
  const base = { ...newSigningKey(), ...own, lineage, recoveryKey };
  base.statements = inOrder([
    ...new Set([...ownWords, ...chain.statements, ...leadingTo([...chain.keys, recoveryKey], said, lineage)]),
  ]);
  const next = handOver(base, { by: recovery.signer, number, now: survey.now });
  const earlier = chain.keys.filter((key) => key !== recoveryKey);
  return {
    ...next,
    recoveredAt: number,
    earlier: isStolen ? [] : earlier.map((key) => retired(key, number, survey)),
  };
}

/** A key of a new lineage. @param adopted keys: what they have signed stays published */
export function renewed(adopted: readonly PublicKey[], survey: KeySurvey): SigningKeyRecord {
  const number = survey.now.getTime();
  return { ...newSigningKey(), earlier: adopted.map((key) => retired(key, number, survey)) };
}

/** @param by the signing key, or the recovery key that hosts know. @throws RecoveryKeyRefused if they know another one */
export function withRecoveryKey(
  { record, signer }: StoredSigningKey,
  by: Signer,
  recoveryKey: PublicKey,
  now: Date,
): SigningKeyRecord {
  const { lineage, recoveryKey: known = signer.key } = record;
  if (known !== by.key) throw new RecoveryKeyRefused(otherRecoveryKey(record, by.key));
  const number = numberAfter(now, [record.number]);
  const statement = signKeyStatement(by, {
    ...{ lineage, number, key: signer.key, recoveryKey },
    at: now.toISOString(),
  });
  const recoveredAt = by.key === signer.key ? record.recoveredAt : number;
  return {
    ...record,
    number,
    recoveryKey,
    recoveredAt,
    statements: newest([...record.statements, statement]),
  };
}

interface HandOver {
  by: Signer;
  number: number;
  now: Date;
}

/** The new key repeats the recovery key: a host that meets the new key first knows it too. */
function handOver(record: SigningKeyRecord, { by, number, now }: HandOver): SigningKeyRecord {
  const { lineage, recoveryKey } = record;
  const privateKey = generatePrivateKey();
  const next = signerOf(privateKey);
  const claims: KeyClaims = { lineage, number, key: next.key, at: now.toISOString() };
  const statements = [...record.statements, signKeyStatement(by, claims)];
  if (recoveryKey === undefined) return { ...record, privateKey, number, statements: newest(statements) };
  statements.push(signKeyStatement(next, { ...claims, number: number + 1, recoveryKey }));
  return { ...record, privateKey, number: number + 1, statements: newest(statements) };
}

/** Statements of this lineage by keys that lead back to `keys`, and all keys that they name. */
function chainOf(
  texts: readonly string[],
  { lineage, keys }: { lineage: string; keys: readonly PublicKey[] },
  now: Date,
) {
  const known = new Set(keys);
  const read = [...new Set(texts)].flatMap((text) =>
    readKeyStatements([text]).map((said) => ({ ...said, text })),
  );
  const ordered = read.sort((a, b) => a.claims.number - b.claims.number);
  const chain = ordered.filter(({ key, claims }) => {
    const isOf = known.has(key) && claims.lineage === lineage && claims.number <= latest(now);
    if (isOf) known.add(claims.key);
    return isOf;
  });
  const numbers = chain.map(({ claims }) => claims.number);
  return { keys: [...known], statements: chain.map(({ text }) => text), numbers };
}

/**
 * Statements of earlier keys, and of earlier recovery keys, that lead to these: a host from an old image begins there. They make no key ours:
 * whoever names one of our keys as his successor says nothing about himself.
 */
function leadingTo(keys: readonly PublicKey[], texts: readonly string[], lineage: string): string[] {
  const reached = new Set(keys);
  const leading = new Set<string>();
  const all = [...new Set(texts)].flatMap((text) =>
    readKeyStatements([text])
      .filter(({ claims }) => claims.lineage === lineage)
      .map((said) => ({ ...said, text })),
  );
  let before = -1;
  while (before !== leading.size) {
    before = leading.size;
    for (const { key, claims, text } of all) {
      const isLeading = [claims.key, claims.recoveryKey].some((named) => named && reached.has(named));
      if (!isLeading) continue;
      leading.add(text);
      reached.add(key);
    }
  }
  return fitting([...leading]);
}

/** Whoever may write to `published/` does not fill the list that hosts read. */
function fitting(texts: readonly string[]): string[] {
  let left = MAX_LEADING_BYTES;
  return texts.filter((text) => {
    left -= text.length;
    return left >= 0;
  });
}

/** Oldest first. */
function inOrder(texts: readonly string[]): string[] {
  const numberOf = (text: string) => readKeyStatements([text])[0]?.claims.number ?? 0;
  const numbered = texts.map((text) => ({ text, number: numberOf(text) }));
  return numbered.sort((a, b) => a.number - b.number).map(({ text }) => text);
}

function keysOf(stored: StoredSigningKey | undefined): PublicKey[] {
  return stored === undefined ? [] : [...stored.record.earlier.map(({ key }) => key), stored.signer.key];
}

function retired(key: PublicKey, number: number, { roots, now }: KeySurvey) {
  const sequences = roots.filter((root) => root.key === key && root.sequence <= latest(now));
  // A pass that is under way may still commit with it.
  const soon = now.getTime() + PASS_MS;
  return { key, upTo: Math.max(number, soon, ...sequences.map(({ sequence }) => sequence)) };
}

/** Numbers and sequences are times in ms: what is far ahead of the clock is no issuer's, but a thief's who wants the last word. */
function latest(now: Date): number {
  return now.getTime() + DAY_MS;
}

function numberAfter(now: Date, numbers: readonly number[]): number {
  return Math.max(now.getTime(), ...numbers.map((number) => number + 1));
}

function newest(statements: readonly string[]): string[] {
  return statements.slice(-MAX_STATEMENTS);
}

function otherRecoveryKey({ recoveryKey }: Pick<TrustedKey, 'recoveryKey'>, saw: PublicKey): string {
  const wanted =
    recoveryKey === undefined ? 'none, for hosts know no recovery key' : `the recovery key ${recoveryKey}`;
  return `wanted ${wanted}, saw ${saw}`;
}
