/** `pemfleet run`, killed at every sixth step of a first issue and of a renewal, at the others on other days; a pair's: long/e2e/killed.test.ts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { turnOf } from '../support/turn.ts';
import { killCampaign } from './kill-campaign.ts';

const steps = { first: 1 + turnOf(6), step: 6 };

test('killed after an external call of a first issue, the next run goes on with the same order', async () => {
  const survived = await killCampaign({ renewals: 0, keyTypes: ['ec256'], ...steps });

  // Account, order, authorization, finalization, download and publication: fewer calls would mean a blind preload.
  assert.ok(survived > 50, `only ${survived} calls were tried`);
});

test('killed after an external call of a renewal, the next run goes on with the same order', async () => {
  const survived = await killCampaign({ renewals: 1, keyTypes: ['ec256'], ...steps });

  assert.ok(survived > 40, `only ${survived} calls were tried`);
});
