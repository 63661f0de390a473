/** After a rollover, a CA's caches have the key before for a while (Boulder: five seconds): waited out once, and nothing backs off. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AcmeClient } from '../../../../lambda/acme/client.ts';
import type { AcmeResponse } from '../../../../lambda/acme/transport.ts';
import { after, noon } from '../../../support/clock.ts';
import { accountKey, answer, DIRECTORY, fakeCa, refuse } from '../../../support/issuer/fake-ca.ts';

/** @param sinceMs from the rollover to the request */
function client(sinceMs: number, post: () => AcmeResponse) {
  const slept: number[] = [];
  const ca = fakeCa(post);
  const opened = new AcmeClient({
    ...{ directory: DIRECTORY, accountKey, accountUrl: 'https://ca.test/account/1', exchange: ca.exchange },
    ...{ now: () => after(noon, sinceMs), keyChangedAt: noon },
    sleep: async (ms) => void slept.push(ms),
  });
  return { slept, post: () => opened.post('https://ca.test/order/1', null) };
}

const stale = refuse('malformed');

for (const type of ['malformed', 'unauthorized']) {
  test(`two seconds after a rollover, ${type} is waited out for the other four, then asked again`, async () => {
    const answers = [refuse(type), answer({ status: 'valid' })];
    const { slept, post } = client(2000, () => answers.shift() ?? stale);

    assert.deepEqual((await post()).data, { status: 'valid' });
    assert.deepEqual(slept, [4000]);
  });
}

test('it is waited for once: a refusal that stays is one', async () => {
  const { slept, post } = client(2000, () => stale);

  await assert.rejects(post(), { type: 'malformed' });
  assert.deepEqual(slept, [4000]);
});

for (const [says, sinceMs, type] of [
  ['a while after it', 6000, 'malformed'],
  ['before it, by a clock that was set back', -1000, 'malformed'],
  ['for another refusal', 1000, 'rateLimited'],
] as const) {
  test(`nothing is waited for ${says}`, async () => {
    const { slept, post } = client(sinceMs, () => refuse(type));

    await assert.rejects(post(), { type });
    assert.deepEqual(slept, []);
  });
}
