/** The crash campaign over an RSA and ECDSA pair (`npm run test:long`). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { killCampaign } from '../kill-campaign.ts';

test("killed after any external call of a pair's renewal, the next run goes on with the same orders", async () => {
  const survived = await killCampaign({ renewals: 1, keyTypes: ['ec256', 'rsa2048'] });

  assert.ok(survived > 70, `only ${survived} calls were tried`);
});
