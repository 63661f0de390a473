/** kill -9 of `pemfleet run` at every fifth of its steps, with a CA that hands no lost order out again (`npm run test:long`). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { killCampaign } from '../../e2e/kill-campaign.ts';

for (const renewals of [0, 1] as const) {
  const what = renewals === 0 ? 'a first issue' : 'a renewal';
  test(`Caddy: killed after an external call of ${what}, the next run ends with the certificate`, async () => {
    const survived = await killCampaign({ ca: 'caddy', renewals, keyTypes: ['ec256'], step: 5 });

    assert.ok(survived > 40, `only ${survived} calls were tried`);
  });
}
