/**
 * Which key speaks for the issuer. Each rotation is a statement in which the key before, or the recovery key, names the next one. They
 * stay readable in `published/<fleet>/keys.json`, so that a host that knows an old key finds today's. The private half of the recovery
 * key is not in the bucket, and signs nothing but the next key: it heals an `issuer/` that was lost, restored or stolen.
 */
import * as z from 'zod';
import { dateTime, parseDocument, serializeDocument } from './document.ts';
import { type FleetName, layout } from './layout.ts';
import {
  type PublicKey,
  publicKey,
  readStatement,
  type Signer,
  type Statement,
  statementText,
} from './statement.ts';

const keyClaims = z.looseObject({
  /** Of the bucket's issuer, for ever: made with its first key. */
  lineage: z.string().min(1).max(64),
  /** Grows: max(last + 1, time in ms). */
  number: z.number().int().positive(),
  /** The key that signs from now on. The one before it counts no more. */
  key: publicKey,
  /** The key that may name another next key, whatever became of `key`; absent: as before. Only itself may change it. */
  recoveryKey: publicKey.optional(),
  at: dateTime,
});
export type KeyClaims = z.infer<typeof keyClaims>;

const keysDocument = z.looseObject({
  version: z.literal(1),
  /** Compact JWS, oldest first. */
  statements: z.array(statementText).max(1000),
});

/** What a reader trusts, and how far it has followed the chain. */
export interface TrustedKey {
  /** Absent: the key was given by hand; the first statement or manifest that it signed tells. */
  lineage?: string | undefined;
  /** Signs manifests. */
  key: PublicKey;
  /** Of the statement that named it; 0: it was given by hand. */
  number: number;
  recoveryKey?: PublicKey | undefined;
  /** Of the last statement of the recovery key that was obeyed; 0: none. */
  recoveredAt: number;
  /** That statement, which proves its number to an issuer that has forgotten it; absent: none, or followed by an earlier version. */
  recovery?: string | undefined;
}

export function signKeyStatement(signer: Signer, claims: KeyClaims): string {
  return signer.sign('key', claims);
}

/** @throws ContractError `ERR_KEYS_SCHEMA`, `ERR_KEYS_VERSION` */
export function parseKeys(fleet: FleetName, body: Buffer): string[] {
  const codes = { schema: 'ERR_KEYS_SCHEMA', version: 'ERR_KEYS_VERSION' } as const;
  return parseDocument(keysDocument, codes, layout.keys(fleet), body).statements;
}

export function serializeKeys(statements: readonly string[]): string {
  return serializeDocument({ version: 1, statements });
}

/**
 * Follows the statements from the key that a reader trusts to today's. A statement that is broken, of another lineage or signed by
 * somebody else is as good as absent.
 */
export function followKeys(statements: readonly string[], trusted: TrustedKey): TrustedKey {
  const all = readKeyStatements(statements).sort((a, b) => a.claims.number - b.claims.number);
  let current = trusted;
  // Numbers only grow: each statement is obeyed once at most.
  for (let next = nextOf(current, all); next !== undefined; next = nextOf(current, all)) current = next;
  return withProof(current, all);
}

/** An earlier version has obeyed the recovery key, and kept the number of its statement only. */
function withProof(current: TrustedKey, all: readonly KeyStatement[]): TrustedKey {
  const { recovery, recoveredAt, recoveryKey } = current;
  if (recovery !== undefined || recoveredAt === 0) return current;
  const obeyed = all.find(({ key, claims }) => key === recoveryKey && claims.number === recoveredAt);
  return obeyed === undefined ? current : { ...current, recovery: obeyed.text };
}

/** What the recovery key said last outranks every other key, from when it is known: a thief of the key before cannot undo it. */
function nextOf(current: TrustedKey, all: readonly KeyStatement[]): TrustedKey | undefined {
  const recovery = all.findLast(
    (statement) => statement.key === current.recoveryKey && isOf(current, statement),
  );
  if (recovery !== undefined && recovery.claims.number > current.recoveredAt) {
    const { claims, text } = recovery;
    return { ...after(current, recovery), recoveredAt: claims.number, recovery: text };
  }
  const next = all.find((statement) => {
    return (
      statement.key === current.key && statement.claims.number > current.number && isOf(current, statement)
    );
  });
  return next && after(current, next);
}

export interface KeyStatement extends Statement<KeyClaims> {
  /** As it was published. */
  text: string;
}

function isOf({ lineage }: TrustedKey, { claims }: KeyStatement): boolean {
  return lineage === undefined || claims.lineage === lineage;
}

function after(before: TrustedKey, { claims, key: signer }: KeyStatement): TrustedKey {
  const { lineage, key, number } = claims;
  // Once there is a recovery key, nobody but itself changes it.
  const isFree = before.recoveryKey === undefined || signer === before.recoveryKey;
  const recoveryKey = (isFree ? claims.recoveryKey : undefined) ?? before.recoveryKey;
  return { ...before, lineage, key, number, recoveryKey };
}

/** The statements whose signature matches, whoever signed them. */
export function readKeyStatements(statements: readonly string[]): KeyStatement[] {
  return statements.flatMap((text) => {
    try {
      return [{ ...readStatement('key', text, keyClaims), text }];
    } catch {
      return [];
    }
  });
}
