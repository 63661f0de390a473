// Two builds of a release are equal to the byte, wherever and by whomever they are made; and what somebody has done to the unpacked
// runtime between them is not in the second.
import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { PINNED } from '../../cdk/release/runtime.ts';
import { makeTempDir } from '../support/temp-dir.ts';

const run = promisify(execFile);
const CACHE = '.parts/agent-runtime';
const SOURCES = [
  ...['agent', 'cdk', 'docs', 'lambda', 'test/support/debian'],
  ...['build-release.ts', 'package.json', 'package-lock.json'],
];
const TEXTS = ['CHANGELOG.md', 'LICENSE', 'SECURITY.md', 'tsconfig.json'];

test('another build elsewhere, with another umask, zone and language, has the same bytes; a tampered runtime beside it changes none', async (t) => {
  const place = makeTempDir();
  t.after(() => place.remove());
  const copy = join(place.path, 'another/checkout');
  for (const path of [...SOURCES, ...TEXTS]) cpSync(path, join(copy, path), { recursive: true });
  symlinkSync(resolve('node_modules'), join(copy, 'node_modules'));
  mkdirSync(join(copy, '.parts'));
  symlinkSync(resolve('.parts/rpm'), join(copy, '.parts/rpm'));
  for (const name of Object.keys(PINNED)) {
    cpSync(join(CACHE, name, 'package.tgz'), join(copy, CACHE, name, 'package.tgz'));
    // Where an earlier build unpacked it: what is there is not used.
    mkdirSync(join(copy, CACHE, name, 'package/bin'), { recursive: true });
    writeFileSync(join(copy, CACHE, name, 'package/bin/node'), '#!/bin/sh\necho tampered\n', { mode: 0o755 });
  }
  const git = execFileSync('git', ['rev-parse', '--absolute-git-dir'], { encoding: 'utf8' }).trim();
  const env = {
    ...{ PATH: process.env['PATH'], HOME: place.path, TMPDIR: place.path, npm_config_offline: 'true' },
    ...{ GIT_DIR: git, GIT_WORK_TREE: copy, TZ: 'Asia/Tokyo', LC_ALL: 'C' },
  };
  const build =
    'umask 077 && exec node --import tsx build-release.ts --only agent --arch x64 --out dist/other';
  await run('sh', ['-c', build], { cwd: copy, env });

  const other = join(copy, 'dist/other');
  const made = readdirSync(other).filter((name) => /\.(deb|rpm|gz)$/.test(name));
  const digest = (file: string) => createHash('sha256').update(readFileSync(file)).digest('hex');
  assert.equal(made.length, 3);
  for (const name of made) assert.equal(digest(join(other, name)), digest(join('dist/release', name)), name);
});
