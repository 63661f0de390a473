// A healthy fleet raises no alarm. `PEMFLEET_SEED=N` replays a run.
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { test } from 'node:test';
import { watchHealthy } from '../../support/truth/healthy.ts';

const seed = Number(process.env['PEMFLEET_SEED'] ?? randomInt(1_000_000));

test(`100 polls of five hosts with renewals, reloads and restarts: no false alarm (seed ${seed})`, async () => {
  const { polls, falseAlarms } = await watchHealthy({ version: '3.2', polls: 100, seed });

  assert.deepEqual(falseAlarms, []);
  assert.equal(polls, 100);
});
