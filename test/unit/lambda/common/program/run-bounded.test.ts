/** A program that cannot be started is an end with a problem, however the system says so. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { runBounded } from '#common/program/run-bounded.ts';
import { tempDir } from '../../../../support/temp-dir.ts';

const run = (file: string, env: Record<string, string> = {}) =>
  runBounded({ command: [file], env, input: 'for its standard input', timeoutMs: 5_000 });

const problemOf = (file: string, code: string) => ({
  ...{ isWell: false, problem: `${file} cannot be started: ${code}`, output: [] },
});

test('a program that cannot be started is an end that names it and the error', async (t) => {
  const loop = join(tempDir(t), 'loop');
  symlinkSync(loop, loop);

  assert.deepEqual(await run('/nonexistent/program'), problemOf('/nonexistent/program', 'ENOENT'));
  assert.deepEqual(await run('/etc'), problemOf('/etc', 'EACCES'));
  assert.deepEqual(await run('/etc/passwd/x'), problemOf('/etc/passwd/x', 'ENOTDIR'));
  assert.deepEqual(await run(loop), problemOf(loop, 'ELOOP'));
  const large = { NAMES: 'x'.repeat(200_000) };
  assert.deepEqual(await run('/bin/true', large), problemOf('/bin/true', 'E2BIG'));
});

/** In a process of its own: this one has the tests of other files beside and after it. */
const WITHOUT_DESCRIPTORS = `
import { execFileSync } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { runBounded } from '#common/program/run-bounded.ts';
const run = () => runBounded({ command: ['/bin/true'], env: {}, timeoutMs: 5_000 });
const opened = [openSync('/dev/null', 'r')];
const before = await run();
execFileSync('prlimit', ['--pid', String(process.pid), '--nofile=' + (opened[0] + 64) + ':'], { stdio: 'pipe' });
let full;
try {
  for (;;) opened.push(openSync('/dev/null', 'r'));
} catch (error) {
  full = error.code;
}
const during = await run();
for (const fd of opened) closeSync(fd);
console.log(JSON.stringify({ before, full, during, after: await run() }));
`;

test('a process that has no file descriptors left says so, and goes on', () => {
  const words = ['--import', 'tsx', '--input-type=module', '--eval', WITHOUT_DESCRIPTORS];

  const { before, full, during, after } = JSON.parse(
    execFileSync(process.execPath, words, { encoding: 'utf8' }),
  );

  assert.deepEqual([before.isWell, full, after.isWell], [true, 'EMFILE', true]);
  assert.deepEqual(during, problemOf('/bin/true', 'EMFILE'));
});
