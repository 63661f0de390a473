// Anybody may ask HAProxy for tokens: the CA gets its answers all the same. Two versions today.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { floodOf } from '../../support/flood/flood.ts';
import { haproxyVersions } from '../../support/parts/haproxy.ts';
import { shareOf } from '../../support/turn.ts';

const FLOODS = [
  { perSecond: 400, sources: 1 },
  { perSecond: 2000, sources: 1 },
  { perSecond: 2000, sources: 200 },
  { perSecond: 400, sources: 1, leaves: true },
  { perSecond: 2000, sources: 200, leaves: true },
];

for (const version of shareOf(haproxyVersions, 2)) {
  for (const flood of FLOODS) {
    test(`${version}: 20 of 20 validations while ${flood.sources} ask ${flood.perSecond} times a second${flood.leaves ? ' and leave' : ''}`, async (t) => {
      const { failed, ...figures } = await floodOf(t, { version, ...flood, validations: 20 });
      t.diagnostic(JSON.stringify(figures));

      assert.deepEqual(failed, []);
    });
  }
}
