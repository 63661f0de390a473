// A release of the agent as `npm run build:agent` leaves it, made in a moment: what is an executable there is the bundle here, run by
// this machine's Node. It is fetched, held to its digest, unpacked and run like the real one, which test/install has.

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import packageJson from '../../../package.json' with { type: 'json' };
import { makeTempDir } from '../temp-dir.ts';

const LAUNCHER = `#!/bin/sh\nexec ${process.execPath} "$(dirname "$0")/agent.mjs" "$@"\n`;

/** @param more text in it, so that one release differs from another. @returns the folder, for the construct's `agentRelease`; it goes when this process ends */
export function makeAgentRelease(more = ''): string {
  const folder = makeTempDir().path;
  const sums = ['x64', 'arm64'].map((arch) => {
    const name = `pemfleet-agent-${packageJson.version}-linux-${arch}`;
    mkdirSync(join(folder, name));
    copyFileSync(resolve('dist/agent/index.mjs'), join(folder, name, 'agent.mjs'));
    writeFileSync(join(folder, name, 'pemfleet-agent'), LAUNCHER, { mode: 0o755 });
    writeFileSync(join(folder, name, 'NOTES'), more);
    const tarball = join(folder, `${name}.tar.gz`);
    execFileSync('tar', ['-czf', tarball, '-C', folder, name]);
    return `${createHash('sha256').update(readFileSync(tarball)).digest('hex')}  ${name}.tar.gz\n`;
  });
  writeFileSync(join(folder, 'SHA256SUMS'), sums.join(''));
  return folder;
}
