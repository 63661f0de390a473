/** What a write says that fails on a file that is open already. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { tempDir } from '../../../support/temp-dir.ts';

test('a disk that is full is told with the path of the file, and nothing is left beside it', (t) => {
  const directory = tempDir(t);
  const script = `import { replaceFile } from '#storage/atomic-file.ts';
await replaceFile(process.argv[1], Buffer.alloc(5000), { mode: 0o600 }).catch(({ code, message }) => console.log(code, message));`;
  const node = [process.execPath, '--import', 'tsx', '--input-type=module', '-e', script];

  // As a disk of 1,000 bytes would, with another code.
  const words = ['--fsize=1000', ...node, join(directory, 'pemfleet.yaml')];
  const said = execFileSync('prlimit', words, { encoding: 'utf8' });

  assert.match(said, /^EFBIG EFBIG: file too large, write '\/\S+\/pemfleet\.yaml'$/m);
  assert.deepEqual(readdirSync(directory), []);
});
