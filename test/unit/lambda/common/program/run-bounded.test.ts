/** A program that cannot be started is an end with a problem, however the system says so. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, openSync, symlinkSync } from 'node:fs';
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

test('a process that has no file descriptors left says so, and goes on', async () => {
  assert.equal((await run('/bin/true')).isWell, true);
  const opened = [openSync('/dev/null', 'r')];
  const limit = `--nofile=${(opened[0] ?? 0) + 64}:`;
  execFileSync('prlimit', ['--pid', String(process.pid), limit], { stdio: 'pipe' });

  assert.throws(() => {
    for (;;) opened.push(openSync('/dev/null', 'r'));
  }, /EMFILE/);
  const end = await run('/bin/true');
  for (const fd of opened) closeSync(fd);

  assert.deepEqual(end, problemOf('/bin/true', 'EMFILE'));
  assert.equal((await run('/bin/true')).isWell, true);
});
