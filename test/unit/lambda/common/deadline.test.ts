import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate, setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { DeadlinePassed, startDeadline } from '../../../../lambda/common/deadline.ts';

test('what hangs is not waited for, and nothing begins after the end', async () => {
  const deadline = startDeadline(20);

  await assert.rejects(
    deadline.wait(() => sleep(60_000, undefined, { ref: false })),
    DeadlinePassed,
  );

  assert.equal(deadline.hasPassed, true);
  await assert.rejects(
    deadline.wait(async () => assert.fail('began')),
    DeadlinePassed,
  );
});

test('what has come in time is not kept in memory until the end', async (t) => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const deadline = startDeadline(60_000);
  t.after(() => deadline.clear());
  const waitForOne = async () => new WeakRef(await deadline.wait(async () => ({ status: 'x'.repeat(1000) })));

  const result = await waitForOne();
  await setImmediate();
  collect();

  assert.equal(result.deref(), undefined);
});
