// What becomes of a TXT record set by what is wanted, and by which changes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  applied,
  changesBetween,
  rewritten,
  type TxtRecordSet,
} from '../../../../../lambda/challenge/route53/txt-record-set.ts';

const setOf = (...values: string[]): TxtRecordSet => ({ ttl: 60, values });
const theirs = { ttl: 300, values: ['"theirs"'] };
const add = (value: string) => ({ name: 'n', value, isWanted: true });
const drop = (value: string) => ({ name: 'n', value, isWanted: false });

const APPLIED: [
  says: string,
  before: TxtRecordSet | undefined,
  requests: ReturnType<typeof add>[],
  after: TxtRecordSet | undefined,
][] = [
  ['a first value', undefined, [add('a')], setOf('a')],
  ['apex and wildcard together', undefined, [add('a'), add('b')], setOf('a', 'b')],
  ['a value that is there', setOf('a'), [add('a')], setOf('a')],
  [
    'a value beside those of others, under their TTL',
    theirs,
    [add('a')],
    { ttl: 300, values: ['"theirs"', 'a'] },
  ],
  ['our value gone, theirs left', { ttl: 300, values: ['"theirs"', 'a'] }, [drop('a')], theirs],
  ['the last value gone', setOf('a'), [drop('a')], undefined],
  ['a value gone that was never there', theirs, [drop('a')], theirs],
  ['nothing gone from nothing', undefined, [drop('a')], undefined],
  ['one for another', setOf('a'), [drop('a'), add('b')], setOf('b')],
];

for (const [says, before, requests, after] of APPLIED) {
  test(`applied: ${says}`, () => {
    assert.deepEqual(applied(before, requests), after);
  });
}

const CHANGES: [
  says: string,
  before: TxtRecordSet | undefined,
  after: TxtRecordSet | undefined,
  actions: string[],
][] = [
  ['nothing there, nothing wanted', undefined, undefined, []],
  ['a new set is created, so that one in between is not overwritten', undefined, setOf('a'), ['CREATE a']],
  ['a set that goes is named exactly', setOf('a', 'b'), undefined, ['DELETE a b']],
  [
    'a set that changes is named as it was, then as it will be',
    setOf('a'),
    setOf('a', 'b'),
    ['DELETE a', 'CREATE a b'],
  ],
  ['another order of values is no change', setOf('a', 'b'), setOf('b', 'a'), []],
  ['another TTL is one', { ttl: 300, values: ['a'] }, setOf('a'), ['DELETE a', 'CREATE a']],
];

for (const [says, before, after, actions] of CHANGES) {
  test(`changes: ${says}`, () => {
    const changes = changesBetween('n', before, after);

    assert.deepEqual(
      changes.map(({ action, set }) => `${action} ${set.values.join(' ')}`),
      actions,
    );
  });
}

test('a set is rewritten as it is', () => {
  const set = setOf('a');

  assert.deepEqual(rewritten('n', set), [
    { action: 'DELETE', name: 'n', set },
    { action: 'CREATE', name: 'n', set },
  ]);
});
