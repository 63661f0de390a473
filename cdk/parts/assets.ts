/**
 * What `npm run build` has left in dist/, as assets: nobody who deploys needs a bundler or Docker. This file and its bundle
 * (dist/cdk/index.mjs) lie equally deep below the package, so that both find it.
 */
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Stage } from 'aws-cdk-lib';
import { Code } from 'aws-cdk-lib/aws-lambda';
import { Asset } from 'aws-cdk-lib/aws-s3-assets';
import type { Construct } from 'constructs';
import { PEMFLEET_VERSION } from '#contract/version.ts';
import type { PemfleetConfig } from './configuration.ts';

const PACKAGE = fileURLToPath(new URL('../../', import.meta.url));

/** The program and its configuration; the asset's hash is that of their content. */
export function issuerCode(scope: Construct, { config, caFiles }: PemfleetConfig): Code {
  const directory = emptyDirectory(scope, 'issuer');
  copyFileSync(builtFile('issuer'), join(directory, 'index.mjs'));
  writeFileSync(join(directory, 'pemfleet.json'), `${JSON.stringify(config, null, 2)}\n`);
  for (const [name, file] of Object.entries(caFiles)) copyFileSync(file, join(directory, name));
  return Code.fromAsset(directory);
}

export function responderCode(scope: Construct): Code {
  const directory = emptyDirectory(scope, 'responder');
  copyFileSync(builtFile('responder'), join(directory, 'index.mjs'));
  return Code.fromAsset(directory);
}

/** In cdk.out, so that nothing is left in a temporary folder with each synthesis. */
function emptyDirectory(scope: Construct, name: string): string {
  const directory = join(Stage.of(scope)?.assetOutdir ?? 'cdk.out', `pemfleet-${name}-${scope.node.addr}`);
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  return directory;
}

/** The agent of one kind of machine: a tarball with its executable, units and installer. */
export interface AgentRelease {
  readonly asset: Asset;
  /** As `uname -m` says it. */
  readonly machine: string;
  /** Of the tarball: the host compares it. */
  readonly sha256: string;
}

const MACHINES: Readonly<Record<string, string>> = { x64: 'x86_64', arm64: 'aarch64' };

/** @param folder as `npm run build:agent` leaves it: each tarball that its SHA256SUMS names is taken */
export function agentReleases(
  scope: Construct,
  id: string,
  folder = join(PACKAGE, 'dist/release'),
): AgentRelease[] {
  const sums = join(folder, 'SHA256SUMS');
  if (!existsSync(sums))
    throw new Error(
      `${sums} is missing: run "npm run build:agent" first, or name the folder of a release in agentRelease`,
    );
  const lines = readFileSync(sums, 'utf8').matchAll(/^([0-9a-f]{64}) {2}(\S+-linux-(x64|arm64)\.tar\.gz)$/gm);
  const releases = [...lines].map(([, sha256 = '', file = '', arch = '']) => {
    const path = join(folder, file);
    checkRelease(path, sha256);
    return { asset: new Asset(scope, `${id}-${arch}`, { path }), machine: MACHINES[arch] ?? arch, sha256 };
  });
  if (releases.length === 0) throw new Error(`${sums} names no tarball of the agent`);
  return releases;
}

/** An agent of before may not know what the settings of this version say. */
function checkRelease(path: string, sha256: string): void {
  const again = 'run "npm run build:agent" again';
  if (!basename(path).startsWith(`pemfleet-agent-${PEMFLEET_VERSION}-`))
    throw new Error(`${path} is not of version ${PEMFLEET_VERSION}: ${again}`);
  const seen = createHash('sha256').update(readFileSync(path)).digest('hex');
  if (seen !== sha256)
    throw new Error(`${path} has the SHA-256 ${seen}, SHA256SUMS says ${sha256}: ${again}`);
}

/** Of cdk/host/, as it goes to a host. */
export function hostFile(name: string): string {
  return readFileSync(join(PACKAGE, 'cdk/host', name), 'utf8');
}

function builtFile(program: string): string {
  const file = join(PACKAGE, 'dist', program, 'index.mjs');
  if (existsSync(file)) return file;
  throw new Error(`${file} is missing: run "npm run build" first`);
}
