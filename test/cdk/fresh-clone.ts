/** A machine for docs/deploy.md: a copy of the checkout with nothing built, the pinned CLI, no network beyond loopback, moto as AWS. */
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, realpathSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Moto } from '../support/parts/moto.ts';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../../', import.meta.url));

/** Files that are not in git, or that a deployment does not need. */
const NOT_CLONED = ['.git', 'node_modules', '.parts', 'dist', 'cdk.out', 'test'];

/**
 * moto finds a template by the name of its bucket's host, or by path where the URL has the word localhost (moto/cloudformation/
 * utils.py). The CLI gives the URL of the endpoint, an address: as the qualifier of the bootstrap, the word is part of the bucket.
 */
export const QUALIFIER = 'localhost';

export interface Machine {
  /** The clone, or the app of another. */
  directory: string;
  /** In it, or in `cwd`. */
  sh(command: string, cwd?: string): Promise<string>;
  home: string;
}

export function freshClone(into: string, moto: Moto): Machine {
  const machine = machineAt(join(into, 'pemfleet'), join(into, 'home'), moto);
  const { directory } = machine;
  for (const name of readdirSync(root).filter((name) => !NOT_CLONED.includes(name))) {
    cpSync(join(root, name), join(directory, name), { recursive: true });
  }
  // what npm ci would bring: it is the same package-lock.json
  symlinkSync(realpathSync(join(root, 'node_modules')), join(directory, 'node_modules'));
  return machine;
}

/** Two empty folders, and commands that reach moto and nothing else. */
export function machineAt(directory: string, home: string, moto: Moto): Machine {
  for (const path of [directory, home]) mkdirSync(path, { recursive: true });
  const env = { ...environment(home), ...moto.env };
  const sh = async (command: string, cwd = directory) => {
    const options = { cwd, env, timeout: 180_000, maxBuffer: 16 << 20 };
    // the CLI prints its progress to standard error
    const { stdout, stderr } = await run('sh', ['-c', command], options);
    return stdout + stderr;
  };
  return { directory, sh, home };
}

/** Sends every request that would leave this machine to a proxy that does not exist. */
function environment(home: string) {
  const nowhere = 'http://127.0.0.1:9';
  return {
    PATH: process.env['PATH'],
    HOME: home,
    CI: '1',
    NO_COLOR: '1',
    NODE_NO_WARNINGS: '1',
    // The rules take half of a synthesis; validation.test.ts checks them.
    CDK_VALIDATION: 'false',
    ...{ HTTPS_PROXY: nowhere, HTTP_PROXY: nowhere, NO_PROXY: '127.0.0.1', npm_config_offline: 'true' },
    ...{ CDK_DISABLE_CLI_TELEMETRY: '1', CDK_DISABLE_VERSION_CHECK: '1', AWS_EC2_METADATA_DISABLED: 'true' },
  };
}
