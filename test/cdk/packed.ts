/** What `npm install` of the packed tarball would put into an app of somebody else's. */
import { execFile } from 'node:child_process';
import { copyFileSync, mkdirSync, realpathSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { transformSync } from 'esbuild';

const run = promisify(execFile);

/** The lowest version that is allowed, beside the newest; package.test.ts holds it to `peerDependencies`. */
export const LOWEST_CDK = 'aws-cdk-lib-lowest';

/**
 * `npm pack`, unpacked where `npm install` would put it, beside its peer dependencies, with the digests of that release of the agent.
 * @returns the package's folder
 */
export async function install(directory: string, release: string, cdk = 'aws-cdk-lib'): Promise<string> {
  const { stdout } = await run('npm', [
    'pack',
    '--ignore-scripts',
    '--json',
    '--pack-destination',
    directory,
  ]);
  const [{ filename }] = JSON.parse(stdout);
  const modules = join(directory, 'node_modules');
  mkdirSync(join(modules, 'pemfleet'), { recursive: true });
  const unpack = ['-xzf', join(directory, filename), '--strip-components=1', '-C', join(modules, 'pemfleet')];
  await run('tar', unpack);
  // Those of this checkout, if it has made a release, are in the tarball already.
  mkdirSync(join(modules, 'pemfleet/dist/release'), { recursive: true });
  copyFileSync(join(release, 'SHA256SUMS'), join(modules, 'pemfleet/dist/release/SHA256SUMS'));
  for (const name of ['aws-cdk-lib', 'constructs', '@types/node', 'undici-types']) {
    const own = name === 'aws-cdk-lib' ? cdk : name;
    mkdirSync(dirname(join(modules, name)), { recursive: true });
    symlinkSync(realpathSync(join('node_modules', own)), join(modules, name));
  }
  return join(modules, 'pemfleet');
}

/** What tsc makes of an app: package.test.ts compiles it. */
export function stripTypes(text: string): string {
  return transformSync(text, { loader: 'ts', format: 'esm' }).code;
}
