/** The functions' programs as assets. `npm run build` leaves them in dist/, so a deployment needs neither a bundler nor Docker. */
import { copyFileSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Stage } from 'aws-cdk-lib';
import { Code } from 'aws-cdk-lib/aws-lambda';
import type { Construct } from 'constructs';
import { type AgentTarballs, copyRelease } from '../fleet/agent-release.ts';
import type { PemfleetConfig } from '../settings/configuration.ts';
import { PACKAGE_ROOT } from '../settings/package.ts';

/** The issuer's program with its configuration and CA files. Its asset hash follows their content. */
export function issuerCode(scope: Construct, { config, caFiles }: PemfleetConfig): Code {
  const directory = emptyDirectory(scope, 'issuer');
  copyFileSync(builtFile('issuer'), join(directory, 'index.mjs'));
  copyFileSync(builtFile('issuer-commands'), join(directory, 'commands.mjs'));
  writeFileSync(join(directory, 'pemfleet.json'), `${JSON.stringify(config, null, 2)}\n`);
  for (const [name, file] of Object.entries(caFiles)) copyFileSync(file, join(directory, name));
  return Code.fromAsset(directory);
}

/** The responder's program. */
export function responderCode(scope: Construct): Code {
  const directory = emptyDirectory(scope, 'responder');
  copyFileSync(builtFile('responder'), join(directory, 'index.mjs'));
  return Code.fromAsset(directory);
}

/** The program that publishes a release of the agent, with that release beside it. */
export function agentReleaseCode(scope: Construct, tarballs: AgentTarballs): Code {
  const directory = emptyDirectory(scope, 'agent-release');
  copyFileSync(builtFile('agent-release'), join(directory, 'index.mjs'));
  copyRelease(tarballs, directory);
  return Code.fromAsset(directory);
}

/** Lies in cdk.out, so that a synthesis leaves nothing behind in a temporary folder. */
function emptyDirectory(scope: Construct, name: string): string {
  const directory = join(Stage.of(scope)?.assetOutdir ?? 'cdk.out', `pemfleet-${name}-${scope.node.addr}`);
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  return directory;
}

function builtFile(program: string): string {
  const file = join(PACKAGE_ROOT, 'dist', program, 'index.mjs');
  if (existsSync(file)) return file;
  throw new Error(`${file} is missing: run "npm run build" first`);
}
