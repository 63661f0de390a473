/** The lock of a directory bucket: watched while it is held, given up for others, and waited for by each work for its own time. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { LingeringLock, takeFileLock } from '#storage/file-lock.ts';
import { tempDir } from '../../support/temp-dir.ts';

/** Signals what holds the lock, and whatever else this process has started. */
function signalHolders(signal: NodeJS.Signals): void {
  const childrenOf = (pid: number | string): string[] => {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean);
    return children.flatMap((child) => [...childrenOf(child), child]);
  };
  const holders = childrenOf(process.pid).filter((pid) =>
    /^(flock|sh|cat)\n$/.test(readFileSync(`/proc/${pid}/comm`, 'utf8')),
  );
  assert.ok(holders.length > 0, 'nothing holds the lock');
  for (const pid of holders) process.kill(Number(pid), signal);
}

test('a lock whose holder was killed is taken anew before the next work', async (t) => {
  const path = join(tempDir(t), 'lock');
  const lock = new LingeringLock(path, 10_000);
  let isOther = false;
  const inside: boolean[] = [];
  const visit = () =>
    lock.whileHeld(async () => {
      inside.push(isOther);
      await sleep(20);
    });

  await visit();
  const visits = Array.from({ length: 30 }, visit);
  await visits[0];
  signalHolders('SIGKILL');
  const other = await takeFileLock(path, 10_000);
  // The work in hand when the holder was killed.
  await sleep(50);
  isOther = true;
  await sleep(200);
  isOther = false;
  await other.release();
  await Promise.all(visits);

  assert.equal(inside.length, 31);
  assert.equal(inside.includes(true), false, 'it worked while another had the lock');
});

test('what ends a service or the programs of a terminal leaves the lock to the work under it', async (t) => {
  const path = join(tempDir(t), 'lock');
  const lock = await takeFileLock(path, 1_000);

  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    signalHolders(signal);
    await sleep(20);
    assert.equal(lock.isHeld, true, signal);
  }

  await assert.rejects(takeFileLock(path, 200), { code: 'ERR_BUCKET_LOCK' });
  await lock.release();
  await (await takeFileLock(path, 1_000)).release();
});

test('work that comes while the lock is kept begins at once', async (t) => {
  const lock = new LingeringLock(join(tempDir(t), 'lock'), 10_000);
  await lock.whileHeld(async () => undefined);

  const begin = performance.now();
  for (let visit = 0; visit < 100; visit += 1) {
    await sleep(1);
    await lock.whileHeld(async () => undefined);
  }

  assert.ok(performance.now() - begin < 1_500, 'each waited for the end of the time for which it is kept');
});

test('much work at once leaves others their turn', async (t) => {
  const path = join(tempDir(t), 'lock');
  const lock = new LingeringLock(path, 10_000);
  let done = 0;
  const works = Array.from({ length: 60 }, () =>
    lock.whileHeld(async () => {
      await sleep(50);
      done += 1;
    }),
  );
  await works[0];

  const other = await takeFileLock(path, 10_000);
  const doneBefore = done;
  await other.release();
  await Promise.all(works);

  assert.ok(doneBefore < 45, `${doneBefore} of 60 before another had its turn`);
  assert.equal(done, 60);
});

test('each work waits for its own time, and what waits for work before it has not waited for others', async (t) => {
  const path = join(tempDir(t), 'lock');
  const other = await takeFileLock(path, 1_000);
  const lock = new LingeringLock(path, 1_500);
  const early = lock.whileHeld(async () => 'early');
  const isRejected = assert.rejects(early, { code: 'ERR_BUCKET_LOCK' });
  await sleep(1_000);
  const late = lock.whileHeld(async () => 'late');
  late.catch(() => undefined);

  await isRejected;
  await other.release();

  assert.equal(await late, 'late');
});
