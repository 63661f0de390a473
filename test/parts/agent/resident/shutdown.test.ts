// The last report of a host: by hand, at a shutdown, and never when only the agent stops.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { chmodSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { startAgent } from '../../../support/agent/program.ts';
import { makeStage, type Stage } from '../../../support/agent/stage.ts';

/** Writes a systemctl that prints this state and this pending job. @returns the PATH that finds it */
function machineThatIs(stage: Stage, state: string, target: string): string {
  const bin = join(stage.dir, 'bin');
  mkdirSync(bin, { recursive: true });
  // As the real one: `stopping` comes with exit status 1.
  writeFileSync(
    join(bin, 'systemctl'),
    `#!/bin/sh
case "$1" in
  is-system-running) echo ${state}; [ ${state} = running ] ;;
  list-jobs) echo '  1 ${target} start waiting' ;;
esac
`,
  );
  chmodSync(join(bin, 'systemctl'), 0o755);
  return `${bin}:${process.env['PATH']}`;
}

async function runUntilStopped(
  t: TestContext,
  stage: Stage,
  state: string,
  target = 'poweroff.target',
): Promise<string> {
  const PATH = machineThatIs(stage, state, target);
  const args = ['run', ...stage.flags, '--poll-interval', '3600'];
  const { child, output, said } = startAgent(args, { env: { PATH } });
  t.after(() => child.kill('SIGKILL'));
  const exited = once(child, 'close');
  await said('event=run.finished');
  child.kill('SIGTERM');
  assert.deepEqual(await exited, [0, null]);
  return output.stderr;
}

test('a machine that shuts down reports its departure; when it is back, its first pass reports as usual', async (t) => {
  const stage = await makeStage(t, { version: '3.2' });
  await stage.publish('shop', { names: ['shop.test'] });

  const stderr = await runUntilStopped(t, stage, 'stopping');
  const gone = await stage.status();
  await stage.agent('sync');
  const back = await stage.status();

  assert.match(stderr, /event=host\.left/);
  assert.equal(gone.leftAt, gone.reportedAt);
  assert.equal(gone.files[0]?.state, 'served');
  assert.equal(back.leftAt, undefined);
});

test('an agent that is stopped on a running machine will be missed', async (t) => {
  const stage = await makeStage(t, { version: '3.2' });
  await stage.publish('shop', { names: ['shop.test'] });

  const stderr = await runUntilStopped(t, stage, 'running');

  assert.doesNotMatch(stderr, /host\.left/);
  assert.equal((await stage.status()).leftAt, undefined);
});

test('a machine that reboots will be missed if its agent does not come back', async (t) => {
  const stage = await makeStage(t, { version: '3.2' });
  await stage.publish('shop', { names: ['shop.test'] });

  const stderr = await runUntilStopped(t, stage, 'stopping', 'reboot.target');

  assert.doesNotMatch(stderr, /host\.left/);
  assert.equal((await stage.status()).leftAt, undefined);
});

test('pemfleet-agent leave: the bucket has the report, or the exit status says that it has not', async (t) => {
  const stage = await makeStage(t, { version: '3.2' });
  const early = await stage.agent('leave');
  await stage.publish('shop', { names: ['shop.test'] });
  await stage.agent('sync');

  const told = await stage.agent('leave');
  const { leftAt } = await stage.status();
  renameSync(stage.bucketDir, `${stage.bucketDir}.away`);
  writeFileSync(stage.bucketDir, 'no directory');
  const untold = await stage.agent('leave');

  assert.deepEqual([early.code, told.code, untold.code], [0, 0, 1]);
  assert.ok(leftAt);
  assert.match(untold.stderr, /event=status\.failed/);
});
