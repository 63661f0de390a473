/** The crash campaigns that killed-issuer.test.ts leaves: further steps of one certificate, and every one of a pair (`npm run test:long`). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { killCampaign } from '../../e2e/kill-campaign.ts';

test('killed after external call 2, 5, … of a first issue, the next run goes on with the same order', async () => {
  const survived = await killCampaign({ renewals: 0, keyTypes: ['ec256'], first: 2, step: 3 });

  assert.ok(survived > 50, `only ${survived} calls were tried`);
});

test("killed after any external call of a pair's renewal, the next run goes on with the same orders", async () => {
  const survived = await killCampaign({ renewals: 1, keyTypes: ['ec256', 'rsa2048'] });

  assert.ok(survived > 70, `only ${survived} calls were tried`);
});
