import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { tempDir } from '../../support/temp-dir.ts';

const support = fileURLToPath(new URL('../../support/temp-dir.ts', import.meta.url));

/** A program writes into the folder as fast as it can, and the hook that ends it was registered second. */
const testOf = (note: string) => `
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { tempDir } from ${JSON.stringify(support)};
test('writes while its folder goes', async (t) => {
  const dir = tempDir(t);
  writeFileSync(${JSON.stringify(note)}, dir);
  const script = 'mkdir -p "$1"; while mkdir -p "$1/a" && : > "$1/a/b$((i += 1))"; do :; done';
  const program = spawn('sh', ['-c', script, 'sh', join(dir, 'state')], { stdio: ['ignore', 'ignore', 'inherit'] });
  t.after(async () => {
    program.kill('SIGKILL');
    await once(program, 'exit');
  });
  await new Promise((resolve) => setTimeout(resolve, 300));
});
`;

test('a folder that a program writes to does not keep the program from being ended, and goes with the process', (t) => {
  const dir = tempDir(t);
  const [file, note] = [join(dir, 'one.test.mts'), join(dir, 'note')];
  writeFileSync(file, testOf(note));
  const args = ['--import', 'tsx', '--test-reporter=tap', file];
  const { status, stdout, signal } = spawnSync(process.execPath, args, { encoding: 'utf8', timeout: 30_000 });

  assert.equal(signal, null, stdout);
  assert.equal(status, 0, stdout);
  assert.equal(existsSync(readFileSync(note, 'utf8')), false);
});
