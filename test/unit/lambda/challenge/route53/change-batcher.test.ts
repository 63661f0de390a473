// The batcher in front of a zone: many orders, few batches, and a bad name that fails alone.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ChangeBatcher } from '../../../../../lambda/challenge/route53/change-batcher.ts';
import { fakeClock } from '../../../../support/clock.ts';
import { type FakeZone, fakeZone } from '../../../../support/issuer/fake-zone.ts';

const setOf = (...values: string[]) => ({ ttl: 60, values: values.map((value) => `"${value}"`) });
const theirs = { ttl: 300, values: ['"theirs"'] };
const names = (count: number) => Array.from({ length: count }, (_, index) => `n${index}`);
const settledOf = async (work: Promise<void>[]) =>
  (await Promise.allSettled(work)).map((end) => (end.status === 'rejected' ? end.reason : 'done'));
const changesOf = ({ requests }: FakeZone) => requests.filter((request) => request.startsWith('change'));

function open(initial: Parameters<typeof fakeZone>[0] = {}): { zone: FakeZone; batcher: ChangeBatcher } {
  const zone = fakeZone(initial);
  return { zone, batcher: new ChangeBatcher(zone, fakeClock()) };
}

test('many that come together go in one batch, without a look at the zone, and wait once', async () => {
  const { zone, batcher } = open();

  await Promise.all(names(150).map((name) => batcher.add(name, 'v')));

  assert.equal(zone.sets.size, 150);
  assert.deepEqual(
    zone.requests.map((request) => request.split(' ')[0]),
    ['change', 'wait'],
  );
});

test('requests that come while a batch gathers go along, but not for ever', async () => {
  const zone = fakeZone();
  const clock = fakeClock();
  const late: Promise<void>[] = [];
  let batcher: ChangeBatcher;
  const sleep = async (ms: number) => {
    await clock.sleep(ms);
    if (late.length < 40) late.push(batcher.add(`late${late.length}`, 'v'));
  };
  batcher = new ChangeBatcher(zone, { ...clock, sleep });

  await batcher.add('first', 'v');
  await Promise.all(late);

  assert.deepEqual(
    changesOf(zone).map((request) => request.split(',').length),
    [21],
    'one came every half second, for ten seconds, and more were to come',
  );
});

test('a batch gathers no longer than the pass lasts', async () => {
  const zone = fakeZone();
  const clock = fakeClock(undefined, 200);

  await new ChangeBatcher(zone, clock).add('a', 'v');

  assert.ok(clock.waits.every((ms) => ms <= 200));
  assert.ok(clock.now() <= clock.deadline);
});

test('more than a batch holds goes in several', async () => {
  const { zone, batcher } = open();

  await Promise.all(names(450).map((name) => batcher.add(name, 'v')));

  assert.deepEqual(
    changesOf(zone).map((request) => request.split(',').length),
    [200, 200, 50],
  );
});

test('names that a CNAME led to go by themselves: a policy may deny them, and with them the whole batch', async () => {
  const { zone, batcher } = open();

  await Promise.all(
    ['_acme-challenge.a', 'b', '_acme-challenge.c', 'd'].map((name) => batcher.add(name, 'v')),
  );

  assert.deepEqual(changesOf(zone), [
    'change CREATE _acme-challenge.a, CREATE _acme-challenge.c',
    'change CREATE b, CREATE d',
  ]);
});

test('apex and wildcard share a name and are one record set', async () => {
  const { zone, batcher } = open();

  await Promise.all([batcher.add('n', 'apex'), batcher.add('n', 'wildcard')]);
  assert.deepEqual(zone.sets.get('n'), setOf('apex', 'wildcard'));
  await batcher.remove('n', 'apex');
  assert.deepEqual(zone.sets.get('n'), setOf('wildcard'));
  await batcher.remove('n', 'wildcard');

  assert.equal(zone.sets.size, 0);
  assert.ok(
    zone.requests.every((request) => !request.startsWith('list')),
    'what we wrote we know',
  );
});

test("other people's values, and their TTL, are kept", async () => {
  const { zone, batcher } = open({ n: theirs });

  await batcher.add('n', 'ours');
  assert.deepEqual(zone.sets.get('n'), { ttl: 300, values: ['"theirs"', '"ours"'] });
  await batcher.remove('n', 'ours');

  assert.deepEqual(zone.sets.get('n'), theirs);
});

test('a record set that another writer has changed is read again, and their value is kept', async () => {
  const { zone, batcher } = open();
  await batcher.add('n', 'ours');
  zone.sets.set('n', setOf('ours', 'theirs'));

  await batcher.remove('n', 'ours');

  assert.deepEqual(zone.sets.get('n'), setOf('theirs'));
});

test('a refused name fails alone, with its name in the error, wherever it stands', async () => {
  for (const bad of [0, 3, 7]) {
    const { zone, batcher } = open();
    zone.refusing.add(`n${bad}`);

    const ends = await settledOf(names(8).map((name) => batcher.add(name, 'v')));

    assert.deepEqual(
      ends.map((end) => end === 'done'),
      names(8).map((_, index) => index !== bad),
    );
    assert.equal(ends[bad].code, 'ERR_DNS_CHANGE');
    assert.match(ends[bad].message, new RegExp(`hosted zone test \\(Z1\\) refused the TXT record n${bad}: `));
    assert.ok(changesOf(zone).length <= 8, changesOf(zone).join('\n'));
  }
});

test('a value that is there already is written again, so that there is a change to wait for', async () => {
  const { zone, batcher } = open({ n: setOf('v') });

  await batcher.add('n', 'v');

  assert.deepEqual(zone.requests.slice(-3), ['list n', 'change DELETE n, CREATE n', 'wait 1']);
  assert.deepEqual(zone.sets.get('n'), setOf('v'));
});

test('a second one that wants the same value waits for it as the first one does', async () => {
  const { zone, batcher } = open();

  await batcher.add('n', 'v');
  await batcher.add('n', 'v');

  assert.deepEqual(zone.requests, ['change CREATE n', 'wait 1', 'wait 1']);
});

test('a value of a killed pass is looked up before it is removed; one that is not there needs no change', async () => {
  const { zone, batcher } = open({ left: setOf('old', 'theirs') });

  await Promise.all([batcher.remove('left', 'old'), batcher.remove('gone', 'old')]);

  assert.deepEqual(zone.sets, new Map([['left', setOf('theirs')]]));
  assert.deepEqual(zone.requests, ['list left, gone', 'change DELETE left, CREATE left']);
});

test("the removal of what is not there leaves other people's set alone", async () => {
  const { zone, batcher } = open({ n: theirs });

  await batcher.remove('n', 'ours');

  assert.deepEqual(zone.requests, ['list n']);
});
