/** SHA256SUMS of a release, and its signature: an SSH signature (`ssh-keygen -Y sign`), which every OpenSSH since 8.0 verifies. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** What the signature is for: a signature of the same key for something else does not count. */
export const SIGNATURE_NAMESPACE = 'pemfleet-release';

export interface FileDigest {
  name: string;
  /** In hex. */
  sha256: string;
}

export async function digestFiles(folder: string, names: readonly string[]): Promise<FileDigest[]> {
  const digests: FileDigest[] = [];
  for (const name of [...names].sort()) {
    const hash = createHash('sha256');
    await pipeline(createReadStream(join(folder, name)), hash);
    digests.push({ name, sha256: hash.digest('hex') });
  }
  return digests;
}

/** As sha256sum(1) reads it. */
export async function writeSums(folder: string, digests: readonly FileDigest[]): Promise<void> {
  const lines = digests.map(({ name, sha256 }) => `${sha256}  ${name}\n`);
  await writeFile(join(folder, 'SHA256SUMS'), lines.join(''));
}

/**
 * Leaves SHA256SUMS.sig.
 * @param keyFile a private key of SSH, or its public half, if the agent of SSH or a token has the private one
 */
export async function signSums(folder: string, keyFile: string): Promise<void> {
  const sums = join(folder, 'SHA256SUMS');
  await rm(`${sums}.sig`, { force: true });
  await run('ssh-keygen', ['-Y', 'sign', '-q', '-f', keyFile, '-n', SIGNATURE_NAMESPACE, sums]).catch(
    (error) => {
      throw new Error(
        `SHA256SUMS could not be signed with ${keyFile}: ${String(error.stderr).trim() || error.message}`,
        { cause: error },
      );
    },
  );
}
