// Updates of a HAProxy whose visitors notice them: the pass waits between two of them, and not only says so.
import assert from 'node:assert/strict';
import { syncBuiltinESMExports } from 'node:module';
import { test } from 'node:test';
import timers from 'node:timers/promises';
import { assertOk } from '../../../support/agent/assess.ts';
import { makeStage } from '../../../support/agent/stage.ts';

/** More than any other wait of a pass; what an update itself takes is waited for no more. */
const LONG_MS = 50;

test('2.6: a pass awaits the pace between the certificates that it loads', async (t) => {
  const stage = await makeStage(t, { version: '2.6' });
  await stage.publishAll(['a', 'b', 'c']);
  const waits: number[] = [];
  const sleep = timers.setTimeout;
  let end: () => void = () => undefined;
  const isOver = new Promise<void>((resolve) => {
    end = resolve;
  });
  t.mock.method(timers, 'setTimeout', (ms: number, ...rest: []) => {
    if (ms <= LONG_MS) return sleep(ms, ...rest);
    waits.push(ms);
    return isOver;
  });
  // The named imports of all modules.
  syncBuiltinESMExports();
  t.after(() => {
    t.mock.restoreAll();
    syncBuiltinESMExports();
  });

  const pass = stage.pass(['--pace', '1']);
  const first = await Promise.race([pass.then(() => 'ended'), sleep(1500, 'waits')]);
  const begun = waits.length;
  end();

  assertOk(await pass);
  assert.deepEqual({ first, begun }, { first: 'waits', begun: 1 });
  assert.equal(waits.length, 2, `waited for ${waits}`);
  assert.ok(Math.max(...waits) <= 1000, `waited for ${waits}`);
});
