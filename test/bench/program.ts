// The agent as it is shipped: the executable of `npm run build:agent`.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import packageJson from '../../package.json' with { type: 'json' };

const run = promisify(execFile);
export const arch = process.arch === 'arm64' ? 'arm64' : 'x64';
const name = `pemfleet-agent-${packageJson.version}-linux-${arch}`;
export const root = fileURLToPath(new URL('../../', import.meta.url));

/** @returns its path */
export async function unpackAgent(directory: string): Promise<string> {
  const tarball = join(root, `dist/release/${name}.tar.gz`);
  if (!existsSync(tarball)) throw new Error(`${tarball} is not there: npm run build:agent`);
  await run('tar', ['-xzf', tarball, '-C', directory]);
  // Pages that are not yet on disk would count as dirty ones of the process.
  await run('sync');
  return join(directory, name, 'pemfleet-agent');
}
