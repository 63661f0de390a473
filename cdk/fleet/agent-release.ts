/**
 * The agent's release in pemfleet's own bucket. A function of the stack brings the tarballs with it as its code and puts them there, so that
 * neither user data nor the role of a host changes with a release, and no host needs a right to the bucket of CDK's assets or to its key.
 */
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { PEMFLEET_VERSION } from '#contract/version.ts';
import { PACKAGE_ROOT } from '../settings/package.ts';

const SUMS = 'SHA256SUMS';
const TARBALL = /^([0-9a-f]{64}) {2}(pemfleet-agent-\S+-linux-(?:x64|arm64)\.tar\.gz)$/gm;
const WANTED = `hosts need the agent's tarballs. Set agentRelease to the folder of a release of ${PEMFLEET_VERSION} (its tarballs and SHA256SUMS, unpacked nowhere), or make one in a clone: npm run build:agent`;

/** The files of a release that hosts can install. */
export interface AgentTarballs {
  readonly folder: string;
  /** Names of the tarballs. */
  readonly files: readonly string[];
  /** Text of the SHA256SUMS that they were held to. */
  readonly sums: string;
  /** SHA-256 of that text: it changes with each of them. */
  readonly digest: string;
}

/**
 * Finds the tarballs, and holds them to the digests that this package was published with; in a checkout, which makes releases of its own,
 * to those of the folder's SHA256SUMS.
 * @param folder as `npm run release` leaves it, or with the tarballs alone where the package holds digests
 * @param root the package's folder
 * @throws Error if a tarball is missing, of another version, or does not match its digest
 */
export function agentTarballs(folder?: string, root = PACKAGE_ROOT): AgentTarballs {
  const own = join(root, 'dist/release');
  const place = folder ?? own;
  // npm never packs it: what has none was installed.
  const isHeld = !existsSync(join(root, 'package-lock.json')) && existsSync(join(own, SUMS));
  const sums = join(isHeld ? own : place, SUMS);
  if (!existsSync(sums)) throw new Error(`${sums} is missing: ${WANTED}`);
  const text = readFileSync(sums, 'utf8');
  const cure = isHeld
    ? `the agent wanted is that of the release this package was published with: ${sums}`
    : 'run "npm run build:agent" again';
  const files = [...text.matchAll(TARBALL)].map(([, sha256 = '', file = '']) => {
    checkTarball(join(place, file), sha256, cure);
    return file;
  });
  if (files.length === 0) throw new Error(`${sums} names no tarball of the agent`);
  return { folder: place, files, sums: text, digest: createHash('sha256').update(text).digest('hex') };
}

export function copyRelease({ folder, files, sums }: AgentTarballs, directory: string): void {
  writeFileSync(join(directory, SUMS), sums);
  for (const file of files) copyFileSync(join(folder, file), join(directory, file));
}

/** An older agent may not understand the settings that this version writes. */
function checkTarball(path: string, sha256: string, cure: string): void {
  if (!basename(path).startsWith(`pemfleet-agent-${PEMFLEET_VERSION}-`)) {
    throw new Error(`${path} is not of version ${PEMFLEET_VERSION}: ${cure}`);
  }
  if (!existsSync(path)) throw new Error(`${path} is missing: ${WANTED}`);
  const actual = createHash('sha256').update(readFileSync(path)).digest('hex');
  if (actual !== sha256) throw new Error(`${path} has the SHA-256 ${actual}, not ${sha256}: ${cure}`);
}

/** Text of a file of cdk/host/, which user data writes to a host. */
export function hostFile(name: string): string {
  return readFileSync(join(PACKAGE_ROOT, 'cdk/host', name), 'utf8');
}
