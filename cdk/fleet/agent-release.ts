/** The agent's tarballs as assets, which hosts fetch at their first start, and the files of cdk/host/ that fetch them. */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { Asset } from 'aws-cdk-lib/aws-s3-assets';
import type { Construct } from 'constructs';
import { PEMFLEET_VERSION } from '#contract/version.ts';
import { PACKAGE_ROOT } from '../settings/package.ts';

/** The agent for one architecture: a tarball with its executable, units and installer. */
export interface AgentRelease {
  readonly asset: Asset;
  /** Architecture as `uname -m` prints it. */
  readonly machine: string;
  /** Digest of the tarball, in hex. The host compares it. */
  readonly sha256: string;
}

const MACHINES: Readonly<Record<string, string>> = { x64: 'x86_64', arm64: 'aarch64' };

/**
 * Makes an asset of each tarball that the folder's SHA256SUMS names.
 * @param folder as `npm run build:agent` leaves it
 * @throws Error if a tarball is missing, of another version, or does not match its digest
 */
export function agentReleases(
  scope: Construct,
  id: string,
  folder = join(PACKAGE_ROOT, 'dist/release'),
): AgentRelease[] {
  const sums = join(folder, 'SHA256SUMS');
  if (!existsSync(sums)) {
    throw new Error(
      `${sums} is missing: run "npm run build:agent" first, or name the folder of a release in agentRelease`,
    );
  }
  const lines = readFileSync(sums, 'utf8').matchAll(/^([0-9a-f]{64}) {2}(\S+-linux-(x64|arm64)\.tar\.gz)$/gm);
  const releases = [...lines].map(([, sha256 = '', file = '', arch = '']) => {
    const path = join(folder, file);
    checkRelease(path, sha256);
    return { asset: new Asset(scope, `${id}-${arch}`, { path }), machine: MACHINES[arch] ?? arch, sha256 };
  });
  if (releases.length === 0) throw new Error(`${sums} names no tarball of the agent`);
  return releases;
}

/** An older agent may not understand the settings that this version writes. */
function checkRelease(path: string, sha256: string): void {
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
