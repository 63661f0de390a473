/** A healthy outside, with renewals and listed addresses: no probe calls it wrong. test/long has more rounds. */
import { test } from 'node:test';
import { probeRounds } from '../../../support/probe-rounds.ts';

test('20 rounds over a healthy fleet with renewals: nothing is called wrong', async (t) => {
  await probeRounds(t, 20);
});
