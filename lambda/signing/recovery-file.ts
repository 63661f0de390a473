/**
 * The operator's file with the recovery key: its private half is in no bucket. Beside it stands what the issuer trusted when the file was
 * made, so that the chain of keys can be followed from here when everything else is lost.
 */
import { fsyncSync, readSync, writeFileSync } from 'node:fs';
import * as z from 'zod';
import { serializeDocument } from '#contract/document.ts';
import { codeOf } from '#contract/errors.ts';
import { parseJson } from '#contract/json.ts';
import type { TrustedKey } from '#contract/key-chain.ts';
import { generatePrivateKey, publicKey, type Signer, signerOf } from '#contract/statement.ts';
import { createFile, readRegularFile } from '#storage/atomic-file.ts';

const recoveryFile = z.looseObject({
  version: z.literal(1),
  lineage: z.string().min(1).max(64),
  /** Signed when the file was made. */
  signingKey: publicKey,
  /** Of the statement that named it. */
  number: z.number().int().nonnegative(),
  /** PKCS#8, PEM. */
  privateKey: z.string().max(4096),
});

export interface RecoveryKey {
  signer: Signer;
  /** What the issuer trusted when the file was made. */
  trusted: TrustedKey;
}

export const MAX_RECOVERY_FILE_BYTES = 65_536;

/** The file is no recovery key, or not the one that hosts know. The message quotes nothing of it. */
export class RecoveryKeyRefused extends Error {
  override name = 'RecoveryKeyRefused';
  readonly code = 'ERR_RECOVERY_KEY';
}

/** @throws RecoveryKeyRefused */
export function parseRecoveryKey(file: string, body: Buffer): RecoveryKey {
  try {
    if (body.length > MAX_RECOVERY_FILE_BYTES) throw new RangeError('too large');
    const { lineage, signingKey: key, number, privateKey } = recoveryFile.parse(parseJson(body));
    const signer = signerOf(privateKey);
    return { signer, trusted: { lineage, key, number, recoveryKey: signer.key, recoveredAt: 0 } };
  } catch {
    // No parser's message is passed on: it may quote the key.
    throw new RecoveryKeyRefused(`${file}: wanted a file of "pemfleet key recovery-key --out FILE"`);
  }
}

/** @throws RecoveryKeyRefused */
export async function readRecoveryKey(file: string): Promise<RecoveryKey> {
  const recovery = await readRecoveryKeyIfThere(file);
  if (recovery === undefined) throw new RecoveryKeyRefused(`${file}: there is no such file`);
  return recovery;
}

/**
 * @param fd of the file, where it is open already: empty, it is none yet
 * @throws RecoveryKeyRefused
 */
export async function readRecoveryKeyIfThere(file: string, fd?: number): Promise<RecoveryKey | undefined> {
  if (fd !== undefined) {
    const body = readWhole(fd);
    return body.length === 0 ? undefined : parseRecoveryKey(file, body);
  }
  try {
    return parseRecoveryKey(file, await readRegularFile(file, MAX_RECOVERY_FILE_BYTES));
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw refusedFile(file, 'read', error);
  }
}

/** The message quotes nothing of the file. */
function refusedFile(file: string, verb: string, error: unknown): unknown {
  if (error instanceof RecoveryKeyRefused) return error;
  const code = codeOf(error);
  const hint = verb === 'written' && code === 'ENOENT' ? ': there is no such directory' : '';
  return new RecoveryKeyRefused(`${file}: cannot be ${verb} (${code})${hint}`);
}

/**
 * Makes the file (0600), or takes the one that a killed run has made for the same issuer.
 * @throws RecoveryKeyRefused if there is another file
 */
export async function createRecoveryKey(
  file: string,
  { lineage = '', key, number }: TrustedKey,
  fd?: number,
): Promise<RecoveryKey> {
  const made = { version: 1, lineage, signingKey: key, number, privateKey: generatePrivateKey() };
  if (fd !== undefined) return writeOpened(file, fd, { lineage, text: serializeDocument(made) });
  const isNew = await createFile(file, serializeDocument(made), { mode: 0o600 }).catch((error: unknown) => {
    throw refusedFile(file, 'written', error);
  });
  const recovery = await readRecoveryKey(file);
  if (isNew) return recovery;
  return ofLineage(lineage, recovery, file);
}

/** From its beginning; of a file that is too large, one byte too many. */
function readWhole(fd: number): Buffer {
  const buffer = Buffer.alloc(MAX_RECOVERY_FILE_BYTES + 1);
  return buffer.subarray(0, readSync(fd, buffer, 0, buffer.length, 0));
}

/** The user who named it has opened it, and may be another one. */
function writeOpened(
  file: string,
  fd: number,
  { lineage, text }: { lineage: string; text: string },
): RecoveryKey {
  const before = readWhole(fd);
  if (before.length > 0) return ofLineage(lineage, parseRecoveryKey(file, before), file);
  writeFileSync(fd, text);
  fsyncSync(fd);
  return parseRecoveryKey(file, Buffer.from(text));
}

function ofLineage(lineage: string, recovery: RecoveryKey, file: string): RecoveryKey {
  if (recovery.trusted.lineage === lineage) return recovery;
  throw new RecoveryKeyRefused(
    `${file} is the recovery key of another issuer; name a file that does not exist`,
  );
}
