// A place for a HAProxy, with its directory of certificates: what lies there before it starts, it loads.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { tempDir } from '../temp-dir.ts';

interface WorkDir {
  workDir: string;
  certs: string;
}

export function makeWorkDir(t: TestContext): WorkDir {
  const workDir = tempDir(t);
  const certs = join(workDir, 'certs');
  mkdirSync(certs, { mode: 0o700 });
  return { workDir, certs };
}
