/**
 * The agent's release in pemfleet's own bucket. A function of the stack brings the tarballs with it as its code and puts them there, so that
 * neither user data nor the role of a host changes with a release, and no host needs a right to the bucket of CDK's assets or to its key.
 */
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { PEMFLEET_VERSION } from '#contract/version.ts';
import { PACKAGE_ROOT } from '../settings/package.ts';

const SUMS = 'SHA256SUMS';
const TARBALL = /^([0-9a-f]{64}) {2}(pemfleet-agent-\S+-linux-(?:x64|arm64)\.tar\.gz)$/gm;

/** The files of a release that hosts can install. */
export interface AgentTarballs {
  readonly folder: string;
  /** Names of the tarballs. */
  readonly files: readonly string[];
  /** SHA-256 of SHA256SUMS: it changes with each of them. */
  readonly digest: string;
}

/**
 * Finds the tarballs that the folder's SHA256SUMS names.
 * @param folder as `npm run release` leaves it
 * @throws Error if a tarball is missing, of another version, or does not match its digest
 */
export function agentTarballs(folder = join(PACKAGE_ROOT, 'dist/release')): AgentTarballs {
  const sums = join(folder, SUMS);
  if (!existsSync(sums)) {
    throw new Error(
      `${sums} is missing: hosts need the agent's tarballs. Set agentRelease to the folder of a release of ${PEMFLEET_VERSION} (its tarballs and SHA256SUMS, unpacked nowhere), or make one in a clone: npm run build:agent`,
    );
  }
  const text = readFileSync(sums, 'utf8');
  const files = [...text.matchAll(TARBALL)].map(([, sha256 = '', file = '']) => {
    checkTarball(join(folder, file), sha256);
    return file;
  });
  if (files.length === 0) throw new Error(`${sums} names no tarball of the agent`);
  return { folder, files, digest: createHash('sha256').update(text).digest('hex') };
}

export function copyRelease({ folder, files }: AgentTarballs, directory: string): void {
  for (const file of [SUMS, ...files]) copyFileSync(join(folder, file), join(directory, file));
}

/** An older agent may not understand the settings that this version writes. */
function checkTarball(path: string, sha256: string): void {
  const again = 'run "npm run build:agent" again';
  if (!basename(path).startsWith(`pemfleet-agent-${PEMFLEET_VERSION}-`)) {
    throw new Error(`${path} is not of version ${PEMFLEET_VERSION}: ${again}`);
  }
  const actual = createHash('sha256').update(readFileSync(path)).digest('hex');
  if (actual !== sha256) {
    throw new Error(`${path} has the SHA-256 ${actual}, SHA256SUMS says ${sha256}: ${again}`);
  }
}

/** Text of a file of cdk/host/, which user data writes to a host. */
export function hostFile(name: string): string {
  return readFileSync(join(PACKAGE_ROOT, 'cdk/host', name), 'utf8');
}
