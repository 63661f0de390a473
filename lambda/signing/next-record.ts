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
import { newSigningKey, type SigningKeyRecord, type StoredSigningKey, trustedBy } from './record.ts';
import { type RecoveryKey, RecoveryKeyRefused } from './recovery-file.ts';
import type { ReportedWords } from './reported.ts';
import type { SignedRoot } from './signed-roots.ts';
import { chainOf, inOrder, leadingTo, numbersOf } from './statement-chain.ts';

/** What is published, and when it was read. */
export interface KeySurvey {
  now: Date;
  /** Of `keys.json` of all fleets. */
  statements: readonly string[];
  roots: readonly SignedRoot[];
}

/** What the issuer can know of a key that it has no more. */
export interface RecoverySurvey extends KeySurvey {
  reported: ReportedWords;
}

/**
 * Numbers and sequences are times in ms: what is farther ahead of the clock is no issuer's whose clock was wrong, but a thief's who wants
 * the last word. What the recovery key has signed is no thief's, and counts whatever its number.
 */
const AHEAD_MS = 7 * DAY_MS;
/** A record has room for so many: the newest. */
const MAX_STATEMENTS = 1000;
/** Longer than any pass. */
const PASS_MS = HOUR_MS;

/** The key names its successor. */
export function rotated({ record, signer }: StoredSigningKey, survey: KeySurvey): SigningKeyRecord {
  const number = numberAfter(survey.now, [record.number]);
  const next = handOver(record, { by: signer, number, now: survey.now });
  const roots = credibleRoots(survey, record.number);
  return { ...next, earlier: [...record.earlier, retired(signer.key, number, { ...survey, roots })] };
}

export interface Recovery {
  /** Undefined: it is lost. */
  stored: StoredSigningKey | undefined;
  recovery: RecoveryKey;
  /** What the keys before have signed counts no more. */
  isStolen: boolean;
}

/**
 * The recovery key names the next key, in the same lineage. Where it has done that before and the issuer has forgotten it, hosts follow
 * the word with the highest number: so this one is higher than all that can be known of, and the clock never makes it lower.
 * @throws RecoveryKeyRefused if hosts know another recovery key
 */
export function recovered(
  { stored, recovery, isStolen }: Recovery,
  survey: RecoverySurvey,
): SigningKeyRecord {
  const { lineage = '' } = recovery.trusted;
  const { key: recoveryKey } = recovery.signer;
  const own = stored?.record.lineage === lineage ? stored : undefined;
  const { statements: ownWords = [], number: ownNumber = 0 } = own?.record ?? {};
  const words = [...ownWords, ...survey.statements];
  // A host may report what it likes, but not in the name of the recovery key.
  const recoveries = readKeyStatements([...words, ...survey.reported.statements]).filter(
    ({ key, claims }) => key === recoveryKey && claims.lineage === lineage,
  );
  const all = [...words, ...recoveries.map(({ text }) => text)];
  const said = own === undefined || !isStolen ? all : [...ownWords, ...recoveries.map(({ text }) => text)];
  const known = followKeys(all, own ? trustedBy(own) : recovery.trusted);
  if (known.recoveryKey !== recoveryKey) throw new RecoveryKeyRefused(otherRecoveryKey(known, recoveryKey));
  const certain = [recovery.trusted.number, ...numbersOf(recoveries), ...(isStolen ? [] : [ownNumber])];
  const highest = latest(survey.now, certain);
  const roots = credibleRoots(survey, ...certain);
  const before = [recovery.trusted.key, ...keysOf(stored)];
  const chain = chainOf(said, { lineage, keys: before, recoveryKey, highest });
  const sequences = [...roots, ...survey.reported.heads]
    .filter((one) => one.lineage === lineage)
    .map(({ sequence }) => sequence);
  const credible = [ownNumber, ...chain.numbers, ...sequences].filter((one) => one <= highest);
  const number = numberAfter(survey.now, [...certain, ...credible]);
  const base = { ...newSigningKey(), ...own?.record, lineage, recoveryKey };
  base.statements = inOrder([
    ...new Set([...ownWords, ...chain.statements, ...leadingTo([...chain.keys, recoveryKey], said, lineage)]),
  ]);
  const next = handOver(base, { by: recovery.signer, number, now: survey.now });
  const earlier = chain.keys.filter((key) => key !== recoveryKey);
  return {
    ...next,
    recoveredAt: number,
    earlier: isStolen ? [] : earlier.map((key) => retired(key, number, { ...survey, roots })),
  };
}

/** A key of a new lineage. @param adopted keys: what they have signed stays published */
export function renewed(adopted: readonly PublicKey[], survey: KeySurvey): SigningKeyRecord {
  const number = survey.now.getTime();
  const roots = credibleRoots(survey);
  return { ...newSigningKey(), earlier: adopted.map((key) => retired(key, number, { ...survey, roots })) };
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

function keysOf(stored: StoredSigningKey | undefined): PublicKey[] {
  return stored === undefined ? [] : [...stored.record.earlier.map(({ key }) => key), stored.signer.key];
}

function retired(key: PublicKey, number: number, { roots, now }: KeySurvey) {
  const sequences = roots.filter((root) => root.key === key);
  // A pass that is under way may still commit with it.
  const soon = now.getTime() + PASS_MS;
  return { key, upTo: Math.max(number, soon, ...sequences.map(({ sequence }) => sequence)) };
}

/** @param certain numbers that are the issuer's own: its clock was once that far */
function latest(now: Date, certain: readonly number[]): number {
  return Math.max(now.getTime(), ...certain) + AHEAD_MS;
}

function credibleRoots({ roots, now }: KeySurvey, ...certain: number[]): SignedRoot[] {
  return roots.filter(({ sequence }) => sequence <= latest(now, certain));
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
