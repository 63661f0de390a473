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
  t.mock.method(timers, 'setTimeout', async (ms: number, ...rest: []) => {
    waits.push(ms);
    return ms > LONG_MS ? undefined : sleep(ms, ...rest);
  });
  // The named imports of all modules.
  syncBuiltinESMExports();
  t.after(() => {
    t.mock.restoreAll();
    syncBuiltinESMExports();
  });

  assertOk(await stage.pass(['--pace', '1']));

  const paced = waits.filter((ms) => ms > LONG_MS);
  assert.equal(paced.length, 2, `waited for ${waits}`);
  assert.ok(
    paced.every((ms) => ms <= 1000),
    `waited for ${waits}`,
  );
});
