/** A release of the agent as `npm run build:agent` leaves it, but for what is in the tarballs: syntheses need no executables. */
import { createHash } from 'node:crypto';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const agentRelease = mkdtempSync(join(tmpdir(), 'pemfleet-release-'));

const lines = ['x64', 'arm64'].map((arch) => {
  const [name, content] = [`pemfleet-agent-0.1.0-linux-${arch}.tar.gz`, `the agent for ${arch}\n`];
  writeFileSync(join(agentRelease, name), content);
  return `${createHash('sha256').update(content).digest('hex')}  ${name}\n`;
});
writeFileSync(join(agentRelease, 'SHA256SUMS'), lines.join(''));
