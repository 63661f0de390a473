/** The crash campaigns that killed-issuer.test.ts leaves: every one of the steps of a pair, a third of them today (`npm run test:long`). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { killCampaign } from '../../e2e/kill-campaign.ts';
import { turnOf } from '../../support/turn.ts';

const steps = { first: 1 + turnOf(3), step: 3 };

for (const renewals of [0, 1] as const) {
  const what = renewals === 0 ? 'first issue' : 'renewal';
  test(`killed after an external call of a pair's ${what}, the next run goes on with the same orders`, async () => {
    const survived = await killCampaign({ renewals, keyTypes: ['ec256', 'rsa2048'], ...steps });

    assert.ok(survived > 70, `only ${survived} calls were tried`);
  });
}
