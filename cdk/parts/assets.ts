/**
 * What `npm run build` has left in dist/, as assets: nobody who deploys needs a bundler or Docker. This file and its bundle
 * (dist/cdk/index.mjs) lie equally deep below the package, so that both find it.
 */
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Code } from 'aws-cdk-lib/aws-lambda';
import { Asset } from 'aws-cdk-lib/aws-s3-assets';
import type { Construct } from 'constructs';
import type { PemfleetConfig } from './configuration.ts';

const PACKAGE = fileURLToPath(new URL('../../', import.meta.url));

/** The program and its configuration; the asset's hash is that of their content. */
export function issuerCode({ config, caFiles }: PemfleetConfig): Code {
  const directory = mkdtempSync(join(tmpdir(), 'pemfleet-issuer-'));
  copyFileSync(builtFile('issuer'), join(directory, 'index.mjs'));
  writeFileSync(join(directory, 'pemfleet.json'), `${JSON.stringify(config, null, 2)}\n`);
  for (const [name, file] of Object.entries(caFiles)) copyFileSync(file, join(directory, name));
  return Code.fromAsset(directory);
}

export function responderCode(): Code {
  const directory = mkdtempSync(join(tmpdir(), 'pemfleet-responder-'));
  copyFileSync(builtFile('responder'), join(directory, 'index.mjs'));
  return Code.fromAsset(directory);
}

export interface AgentProgram {
  readonly asset: Asset;
  /** Of the file's content: the host compares it. */
  readonly sha256: string;
}

export function agentProgram(scope: Construct, id: string): AgentProgram {
  const path = builtFile('agent');
  const sha256 = createHash('sha256').update(readFileSync(path)).digest('hex');
  return { asset: new Asset(scope, id, { path }), sha256 };
}

export function agentUnit(): string {
  return readFileSync(join(PACKAGE, 'agent/host/pemfleet-agent.service'), 'utf8');
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
