import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { withFileLock } from '#storage/file-lock.ts';
import { openBucket } from '#storage/open.ts';
import { runChild, startChild } from '../../support/bucket/start-child.ts';
import { tempDir } from '../../support/temp-dir.ts';

const inside = async () => 'inside';

test('one process at a time is inside', async (t) => {
  const dir = tempDir(t);
  const [lock, diary] = [join(dir, 'lock'), join(dir, 'diary')];

  const ended = await Promise.all(Array.from({ length: 5 }, () => runChild(t, ['visit', lock, diary, '5'])));

  assert.deepEqual(
    ended.filter(({ status }) => status !== 0),
    [],
  );
  const lines = readFileSync(diary, 'utf8').trim().split('\n');
  assert.equal(lines.length, 2 * 5 * 5);
  for (let at = 0; at < lines.length; at += 2) {
    assert.equal(lines[at + 1], lines[at]?.replace('in', 'out'), `line ${at + 2}`);
  }
});

test('one task of a process at a time is inside', async (t) => {
  const lock = join(tempDir(t), 'lock');
  let [now, most] = [0, 0];
  const work = async () => {
    now += 1;
    most = Math.max(most, now);
    await new Promise((resolve) => setImmediate(resolve));
    now -= 1;
  };

  await Promise.all(Array.from({ length: 5 }, () => withFileLock(lock, 5_000, work)));

  assert.equal(most, 1);
});

test('the caller gets what work returns or throws, and the lock is free after both', async (t) => {
  const lock = join(tempDir(t), 'lock');

  await assert.rejects(
    withFileLock(lock, 1_000, () => Promise.reject(new RangeError('as thrown'))),
    RangeError,
  );

  assert.equal(await withFileLock(lock, 1_000, inside), 'inside');
});

test('a directory can be the lock, and stays as it is', async (t) => {
  assert.equal(await withFileLock(tempDir(t), 1_000, inside), 'inside');
});

test('kill -9 of the holder frees the lock at once', async (t) => {
  const lock = join(tempDir(t), 'lock');
  const holder = startChild(t, ['hold', lock]);
  await holder.ready;
  const waiting = withFileLock(lock, 10_000, inside);

  const began = performance.now();
  holder.process.kill('SIGKILL');

  assert.equal(await waiting, 'inside');
  assert.ok(performance.now() - began < 2_000);
});

test('kill -9 of a process that waits leaves nothing behind that could take the lock', async (t) => {
  const lock = join(tempDir(t), 'lock');
  const holder = startChild(t, ['hold', lock]);
  await holder.ready;
  const waiting = startChild(t, ['hold', lock]);
  await assert.rejects(withFileLock(lock, 300, inside), { code: 'ERR_BUCKET_LOCK' });
  waiting.process.kill('SIGKILL');
  await waiting.ended;

  await holder.finish();

  assert.equal(await withFileLock(lock, 2_000, inside), 'inside');
});

test('a lock that is held for too long is ERR_BUCKET_LOCK, in time', async (t) => {
  const lock = join(tempDir(t), 'lock');
  const holder = startChild(t, ['hold', lock]);
  await holder.ready;

  const began = performance.now();
  const late = withFileLock(lock, 200, () => assert.fail('is inside'));

  await assert.rejects(late, {
    code: 'ERR_BUCKET_LOCK',
    key: lock,
    message: /is held by another process for 0.2 s/,
  });
  const ms = performance.now() - began;
  assert.ok(ms >= 200 && ms < 2_000, `${ms} ms`);
});

test('a lock that cannot be made is a failure with a code, and nothing is done', async (t) => {
  const lock = join(tempDir(t), 'nowhere', 'lock');

  const made = withFileLock(lock, 200, () => assert.fail('is inside'));

  await assert.rejects(made, { code: /^(ENOENT|ERR_BUCKET_LOCK)$/ });
});

test('without flock(1) nothing is locked, nothing is done, and the message says what to install', async (t) => {
  const dir = tempDir(t);
  const bucket = await openBucket(pathToFileURL(join(dir, 'bucket')).href);
  await bucket.put('issuer/a', 'a');
  const preload = join(dir, 'no-flock.mjs');
  writeFileSync(preload, NO_FLOCK);

  for (const verb of ['put', 'delete']) {
    const { status, stdout } = await runChild(t, [verb, bucket.url, 'issuer/a', 'b'], { preload });

    assert.equal(status, 1, stdout);
    assert.match(stdout, /^ERR_BUCKET_LOCK .*install util-linux/);
  }
  assert.equal((await bucket.get('issuer/a'))?.body.toString(), 'a');
});

const NO_FLOCK = `
import { createRequire, syncBuiltinESMExports } from 'node:module';
const childProcess = createRequire(import.meta.url)('node:child_process');
const { spawn } = childProcess;
childProcess.spawn = (command, ...rest) => spawn(command === 'flock' ? '/nowhere/flock' : command, ...rest);
syncBuiltinESMExports();
`;
