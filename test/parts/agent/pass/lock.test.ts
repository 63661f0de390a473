// Who may hold up a pass: another agent, and nobody else.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, lstatSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { lockHolderOf, takeFileLock, withFileLock } from '#storage/file-lock.ts';
import { assertOk } from '../../../support/agent/assess.ts';
import { makeStage } from '../../../support/agent/stage.ts';
import { tempDir } from '../../../support/temp-dir.ts';

/** As `nobody`, for whom the directory is readable. */
async function holdAsNobody(t: TestContext, directory: string) {
  for (let path = directory; path.startsWith('/tmp/'); path = dirname(path)) chmodSync(path, 0o755);
  const sudo = process.getuid?.() === 0 ? [] : ['sudo', '-n'];
  const words = [...sudo, 'setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', 'flock', directory];
  const [program = '', ...args] = [...words, '-c', 'echo held; exec sleep 60'];
  const holder = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'], detached: true });
  t.after(() => process.kill(-(holder.pid ?? 0), 'SIGKILL'));
  const [first] = (await Promise.race([once(holder.stdout, 'data'), once(holder, 'exit')])) as unknown[];
  assert.match(String(first), /held/, 'wanted root, or sudo without a password, to become nobody');
}

test('nobody locks the directory, which is readable for all: the pass does not wait, and names the process', async (t) => {
  const stage = await makeStage(t, { version: '3.2' });
  await stage.publish('shop', { names: ['shop.test'] });
  await holdAsNobody(t, stage.haproxy.certsDir);
  const begin = performance.now();

  const result = await stage.pass();

  assertOk(result);
  assert.ok(performance.now() - begin < 4000);
  assert.match(result.stderr, /event=lock\.ignored file=\S+ pid=\d+ uid=65534/);
  assert.equal(lstatSync(join(stage.haproxy.certsDir, '.pemfleet-lock')).mode & 0o777, 0o600);
});

test('nobody locks the directory whose lock file cannot be opened: the pass does not wait, either', async (t) => {
  const stage = await makeStage(t, { version: '3.2' });
  await stage.publish('shop', { names: ['shop.test'] });
  mkdirSync(join(stage.haproxy.certsDir, '.pemfleet-lock'));
  await holdAsNobody(t, stage.haproxy.certsDir);
  const begin = performance.now();

  const result = await stage.pass();

  assertOk(result);
  assert.ok(performance.now() - begin < 4000);
  assert.match(result.stderr, /event=lock\.ignored file=\S+ pid=\d+ uid=65534/);
});

test('an agent that holds the lock, or a former one that locks the directory, is waited for', async (t) => {
  const stage = await makeStage(t, { version: '3.2' });
  await stage.publish('shop', { names: ['shop.test'] });
  assertOk(await stage.pass());
  const { certsDir } = stage.haproxy;

  for (const path of [join(certsDir, '.pemfleet-lock'), certsDir]) {
    const { release } = await takeFileLock(path, 1000);
    let isReleased = false;
    const pass = stage.pass().then((result) => ({ result, waited: isReleased }));
    // A pass that does not wait ends meanwhile.
    await Promise.race([pass, sleep(path === certsDir ? 300 : 1500)]);
    isReleased = true;
    await release();

    const { result, waited } = await pass;
    assertOk(result);
    assert.equal(waited, true, path);
    assert.doesNotMatch(result.stderr, /lock\.ignored/);
  }
});

test('a pipe in the place of the lock does not hang the pass', async (t) => {
  const stage = await makeStage(t, { version: '3.2' });
  await stage.publish('shop', { names: ['shop.test'] });
  const path = join(stage.haproxy.certsDir, '.pemfleet-lock');
  execFileSync('mkfifo', [path]);

  assertOk(await stage.pass());

  assert.equal(lstatSync(path).isFIFO(), true);
});

test('who holds a lock is said', async (t) => {
  const lock = join(tempDir(t), 'lock');
  const { release } = await takeFileLock(lock, 1000);
  t.after(release);

  const holder = await lockHolderOf(lock);
  assert.equal(holder?.uid, process.getuid?.());
  await assert.rejects(
    withFileLock(lock, 100, async () => assert.fail('is inside')),
    { code: 'ERR_BUCKET_LOCK', message: new RegExp(`\\(pid ${holder?.pid}, \\w+, uid ${holder?.uid}\\)`) },
  );
});
