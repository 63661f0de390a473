/** `pemfleet run`, killed at every third step of a first issue and of a renewal; more of them, and a pair's: long/killed.test.ts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { killCampaign } from './kill-campaign.ts';

test('killed after an external call of a first issue, the next run goes on with the same order', async () => {
  const survived = await killCampaign({ renewals: 0, keyTypes: ['ec256'], step: 3 });

  // Account, order, authorization, finalization, download and publication: fewer calls would mean a blind preload.
  assert.ok(survived > 50, `only ${survived} calls were tried`);
});

test('killed after an external call of a renewal, the next run goes on with the same order', async () => {
  const survived = await killCampaign({ renewals: 1, keyTypes: ['ec256'], step: 3 });

  assert.ok(survived > 40, `only ${survived} calls were tried`);
});
