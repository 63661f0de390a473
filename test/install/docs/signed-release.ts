// What somebody has downloaded: the files of a release for this architecture, their signature, and the key of whoever made it.

import { execFile } from 'node:child_process';
import { copyFileSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { SIGNATURE_NAMESPACE, signSums } from '../../../cdk/release/papers/sums.ts';
import { makeTempDir } from '../../support/temp-dir.ts';

const run = promisify(execFile);
const FILES = process.arch === 'arm64' ? /arm64|aarch64|\.json$/ : /amd64|x64|x86_64|\.json$/;

/** The key is made for it. */
export async function withRelease(work: (folder: string) => Promise<void>): Promise<void> {
  const [folder, keys] = [makeTempDir(), makeTempDir()];
  try {
    const key = join(keys.path, 'key');
    await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', '', '-f', key]);
    const release = resolve('dist/release');
    for (const file of readdirSync(release).filter((name) => FILES.test(name))) {
      symlinkSync(join(release, file), join(folder.path, file));
    }
    copyFileSync(join(release, 'SHA256SUMS'), join(folder.path, 'SHA256SUMS'));
    await signSums(folder.path, key);
    const publicKey = readFileSync(`${key}.pub`, 'utf8').trim();
    const signer = `release@pemfleet namespaces="${SIGNATURE_NAMESPACE}" ${publicKey}\n`;
    writeFileSync(join(folder.path, 'allowed_signers'), signer);
    await work(folder.path);
  } finally {
    folder.remove();
    keys.remove();
  }
}
