/** A program of the host's, and the time that it has: a multiple of what another took, which is no whole number. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runToEnd } from '../../../../../lambda/init/apply/run-to-end.ts';

test('a time that is no whole number of milliseconds is one: Node would refuse it', async () => {
  assert.deepEqual(await runToEnd(['echo', 'reloaded'], { timeoutMs: 35_250.740750000004 }), {
    isWell: true,
    output: 'reloaded',
  });
});

test('what takes longer than its time is ended, and what there is not is no exception', async () => {
  assert.equal((await runToEnd(['sleep', '60'], { timeoutMs: 50.5 })).isWell, false);
  assert.match((await runToEnd(['/nonexistent'], { timeoutMs: 1_000 })).output, /ENOENT/);
});
