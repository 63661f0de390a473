// Where a request of the batcher fails: the caller gets the failure, and nothing stays in the zone.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ChangeBatcher } from '../../../../../lambda/challenge/route53/change-batcher.ts';
import { fakeClock } from '../../../../support/clock.ts';
import { type FakeZone, fakeZone, Lost } from '../../../../support/issuer/fake-zone.ts';

const names = (count: number) => Array.from({ length: count }, (_, index) => `n${index}`);
const settledOf = async (work: Promise<void>[]) =>
  (await Promise.allSettled(work)).map((end) => (end.status === 'rejected' ? end.reason : 'done'));

function open(): { zone: FakeZone; batcher: ChangeBatcher } {
  const zone = fakeZone();
  return { zone, batcher: new ChangeBatcher(zone, fakeClock()) };
}

for (const when of ['before', 'after'] as const) {
  test(`a change whose answer was lost (${when} it was done) fails, and the removal reads the zone`, async () => {
    const { zone, batcher } = open();
    await batcher.add('n', 'first');
    await batcher.remove('n', 'first');
    zone.failNext('change', when);

    const [end] = await settledOf([batcher.add('n', 'second')]);
    await batcher.remove('n', 'second');

    assert.ok(end instanceof Lost);
    assert.equal(zone.sets.size, 0, 'nothing stays behind');
  });
}

test('half of a batch that cannot be read does not fail the other half', async () => {
  const zone = fakeZone();
  zone.refusing.add('n0');
  const list: FakeZone['list'] = (wanted) =>
    wanted.includes('n3') && wanted.length < 4 ? Promise.reject(new Lost()) : zone.list(wanted);
  // The good half is still waiting when the other one fails.
  const waitInsync = () => new Promise<void>((resolve) => void setImmediate(resolve));
  const batcher = new ChangeBatcher({ ...zone, list, waitInsync }, fakeClock());

  const ends = await settledOf(names(4).map((name) => batcher.add(name, 'v')));

  assert.deepEqual(
    ends.map((end) => end?.code ?? (end instanceof Lost ? 'lost' : end)),
    ['ERR_DNS_CHANGE', 'done', 'lost', 'lost'],
  );
});

test('a wait that ends with the pass fails those who wait, and the value can be removed', async () => {
  const { zone, batcher } = open();
  zone.failNext('wait');

  const [end] = await settledOf([batcher.add('n', 'v')]);
  await batcher.remove('n', 'v');

  assert.ok(end instanceof Lost);
  assert.equal(zone.sets.size, 0);
});
