import { test } from 'node:test';
import { probeRounds } from '../../support/probe-rounds.ts';

test('1,000 rounds over a healthy fleet with renewals: nothing is called wrong', async (t) => {
  await probeRounds(t, 1000);
});
