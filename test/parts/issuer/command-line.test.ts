// The program itself: what commands that only read leave behind, and errors as JSON.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { DIRECTORY_URL } from '../../support/issuer/documents.ts';
import { issuerProgram } from '../../support/issuer/program.ts';
import { tempDir } from '../../support/temp-dir.ts';

const program = issuerProgram();

function stage(t: TestContext) {
  const dir = tempDir(t);
  const [bucket, file] = [join(dir, 'bucket'), join(dir, 'pemfleet.yaml')];
  const config = {
    ...{
      bucket: pathToFileURL(bucket).href,
      acme: { directoryUrl: DIRECTORY_URL, termsOfServiceAgreed: true },
    },
    certificates: [{ identifiers: ['www.test'] }],
  };
  writeFileSync(file, JSON.stringify(config));
  const pemfleet = (...args: string[]) => {
    const words = [program, ...args, '--config', file];
    const { status, stdout, stderr } = spawnSync(process.execPath, words, { encoding: 'utf8' });
    return { status, stdout, stderr };
  };
  return { bucket, pemfleet };
}

test('key show makes no bucket', (t) => {
  const { bucket, pemfleet } = stage(t);

  const { stdout, stderr } = pemfleet('key', 'show');

  assert.match(stdout, /^lineage {7}none$/m, stderr);
  assert.equal(existsSync(bucket), false);
});

test('with --json, an error is a document on stdout', (t) => {
  const { pemfleet } = stage(t);

  const refused = pemfleet('key', 'recover', '--recovery-key', '/nowhere/recovery.json', '--json');

  assert.equal(refused.status, 1, refused.stderr);
  assert.deepEqual(JSON.parse(refused.stdout), {
    ...{ version: 1 },
    error: { code: 'ERR_RECOVERY_KEY', message: '/nowhere/recovery.json: there is no such file' },
  });
  assert.match(refused.stderr, /^ERR_RECOVERY_KEY /);
});

test('status --html writes a page, whole or not at all, with the mode that the file had, and the exit status of status', (t) => {
  const { bucket, pemfleet } = stage(t);
  mkdirSync(bucket);
  const file = join(tempDir(t), 'status.html');
  writeFileSync(file, 'old', { mode: 0o600 });

  const written = pemfleet('status', '--html', file);
  const printed = pemfleet('status', '--html', '-');
  const refused = pemfleet('status', '--html', join(file, 'nowhere'));

  assert.equal(written.status, 1, written.stderr);
  assert.match(written.stderr, /status\.html: the page, \d+ kB$/m);
  assert.match(
    readFileSync(file, 'utf8'),
    /^<!doctype html>.*www\.test: configured, not published.*<\/html>\n$/s,
  );
  assert.equal(statSync(file).mode & 0o777, 0o600);
  assert.match(printed.stdout, /^<!doctype html>/);
  assert.equal(refused.status, 78);
  assert.match(refused.stderr, /cannot be written \(ENOTDIR\): name a file in a directory that is yours/);
});

test('status says by its exit status whether something is wrong, and that nobody can tell', (t) => {
  const { bucket, pemfleet } = stage(t);
  mkdirSync(bucket);

  const missing = pemfleet('status');
  rmdirSync(bucket);
  writeFileSync(bucket, 'no directory');
  const unreachable = pemfleet('status');

  assert.equal(missing.status, 1, missing.stderr);
  assert.match(missing.stdout, /www\.test/);
  assert.equal(unreachable.status, 2, unreachable.stderr);
});
