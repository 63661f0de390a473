/** The folder of a test, and the parts that write into it, whichever was registered first. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { buildSync } from 'esbuild';
import { makeTempDir, tempDir } from '../../support/temp-dir.ts';

/** As JavaScript: a process of its own begins in no time. */
const support = join(makeTempDir().path, 'support.mjs');
buildSync({
  stdin: {
    contents: "export * from './process.ts'; export * from './temp-dir.ts';",
    resolveDir: 'test/support',
  },
  ...{ bundle: true, platform: 'node', format: 'esm', outfile: support },
});

/** In it every removal fails as long as `busy` is true. */
const HEAD = `
import fs, { existsSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { test } from 'node:test';
import { makeTempDir, startPart, tempDir } from '${support}';
let [dir, busy] = ['', false];
const { rmSync } = fs;
fs.rmSync = (...args) => {
  if (busy) throw Object.assign(new Error('ENOTEMPTY: directory not empty'), { code: 'ENOTEMPTY' });
  rmSync(...args);
};
syncBuiltinESMExports();
const tell = (word, value) => console.log('TOLD ' + word + ' ' + value);
`;

/** A test file in a process of its own; `told` is what it has said with `tell`. */
function runFile(t: TestContext, body: string) {
  const file = join(tempDir(t), 'file.test.mjs');
  writeFileSync(file, HEAD + body);
  const { NODE_TEST_CONTEXT: _outer, ...env } = process.env;
  const { status, stdout, stderr } = spawnSync(process.execPath, [file], {
    encoding: 'utf8',
    timeout: 60_000,
    env,
  });
  const told = [...stdout.matchAll(/^TOLD (\S+) (.*)$/gm)].map(([, word = '', value = '']) => [word, value]);
  return { status, output: stdout + stderr, told: Object.fromEntries(told) as Record<string, string> };
}

test('a part that was started after its folder was made finds the folder until it has stopped; then the folder goes', (t) => {
  const { status, output, told } = runFile(
    t,
    `
test('one', async (t) => {
  dir = tempDir(t);
  const script = 'cd "$1"; trap "ls -d $1; exit" TERM; touch ready; while :; do sleep 0.05; done';
  const args = ['-c', script, 'bash', dir];
  const part = await startPart({ name: 'bash', command: 'bash', args, probe: async () => existsSync(dir + '/ready') });
  t.after(async () => {
    await part.stop();
    tell('sees', part.log().trim() === dir);
  });
});
test('the next', (t) => {
  tempDir(t);
  tell('after', existsSync(dir));
});
`,
  );

  assert.equal(status, 0, output);
  assert.deepEqual(told, { sees: 'true', after: 'false' });
});

for (const [name, make] of [
  ['of the test', 'dir = tempDir(t);'],
  ['that is removed by a hook', 'const made = makeTempDir(); dir = made.path; t.after(made.remove);'],
] as const) {
  test(`a folder ${name} which cannot be removed yet keeps no part from being stopped, and goes at the end`, (t) => {
    const { status, output, told } = runFile(
      t,
      `
test('one', (t) => {
  ${make}
  busy = true;
  t.after(() => tell('stopped', true));
});
test('the next', (t) => {
  tempDir(t);
  busy = false;
});
process.on('exit', () => tell('there', existsSync(dir)));
`,
    );

    assert.equal(status, 0, output);
    assert.deepEqual(told, { stopped: 'true', there: 'false' });
  });
}

test('a folder that cannot be removed at the end of the process either is an error', (t) => {
  const { status, output } = runFile(t, "test('one', (t) => { tempDir(t); busy = true; });");

  assert.match(output, /temporary folders are left behind.*ENOTEMPTY/s);
  assert.notEqual(status, 0, output);
});
