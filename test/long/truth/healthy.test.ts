// A healthy fleet raises no alarm, at length: with HAProxy of each version. `PEMFLEET_SEED=N` replays a run.
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { test } from 'node:test';
import { haproxyVersions } from '../../support/parts/haproxy.ts';
import { watchHealthy } from '../../support/truth/healthy.ts';

const seed = Number(process.env['PEMFLEET_SEED'] ?? randomInt(1_000_000));
const POLLS = Number(process.env['PEMFLEET_POLLS'] ?? 1000) / haproxyVersions.length;

for (const version of haproxyVersions) {
  test(`${POLLS} polls of five hosts, HAProxy ${version}: no false alarm (seed ${seed})`, async () => {
    const { falseAlarms, polls } = await watchHealthy({ version, polls: POLLS, seed });

    assert.deepEqual(falseAlarms, []);
    assert.ok(polls >= POLLS);
  });
}
