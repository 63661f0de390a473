import assert from 'node:assert/strict';
import { test } from 'node:test';
import { outOfOrder, servedNames, withOverlaps } from '../../../../agent/desired/overlap.ts';
import { desired } from '../../../support/agent/plan-fixtures.ts';

const file = (name: string, identifiers: string[], changes: object = {}) => ({
  ...desired,
  file: `${name}.pem`,
  identifiers,
  ...changes,
});

const brief = (files: ReturnType<typeof file>[]) =>
  withOverlaps(files).map((seen) => [
    seen.file.replace('.pem', ''),
    seen.namesakes?.map((name) => name.replace('.pem', '')).join('') ?? '',
    seen.shadows?.map(({ name, by }) => `${name}<${by.replace('.pem', '')}`).join(' ') ?? '',
  ]);

const rows: [says: string, files: ReturnType<typeof file>[], expect: string[][]][] = [
  [
    'nothing in common',
    [file('a', ['a.test']), file('b', ['b.test'])],
    [
      ['a', '', ''],
      ['b', '', ''],
    ],
  ],
  [
    'a name in common',
    [file('b', ['x', 'b']), file('a', ['X'])],
    [
      ['a', 'ab', ''],
      ['b', 'ab', 'x<a'],
    ],
  ],
  [
    'a wildcard is a name of its own',
    [file('a', ['*.x']), file('b', ['y.x'])],
    [
      ['a', '', ''],
      ['b', '', ''],
    ],
  ],
  [
    'the same wildcard',
    [file('a', ['*.x']), file('b', ['*.x'])],
    [
      ['a', 'ab', ''],
      ['b', 'ab', '*.x<a'],
    ],
  ],
  [
    'two kinds of key',
    [file('a', ['x'], { keyType: 'rsa2048' }), file('b', ['x'])],
    [
      ['a', '', ''],
      ['b', '', ''],
    ],
  ],
  [
    'an IP address is no name',
    [file('a', ['192.0.2.1']), file('b', ['192.0.2.1'])],
    [
      ['a', '', ''],
      ['b', '', ''],
    ],
  ],
  [
    'a chain is one group',
    [file('a', ['x']), file('b', ['x', 'y']), file('c', ['y'])],
    [
      ['a', 'abc', ''],
      ['b', 'abc', 'x<a'],
      ['c', 'abc', 'y<b'],
    ],
  ],
  [
    'filters take names out',
    [
      file('a', ['x', 'y']),
      file('b', ['x', 'y'], { listing: { crtListOptions: [], sniFilters: ['y', '!x'] } }),
    ],
    [
      ['a', 'ab', ''],
      ['b', 'ab', 'y<a'],
    ],
  ],
];

for (const [says, files, expect] of rows) {
  test(`names in common: ${says}`, () => {
    assert.deepEqual(brief(files), expect);
  });
}

test('of two kinds of key, each is asked for by its own kind of client', () => {
  const both = withOverlaps([file('a', ['x'], { keyType: 'rsa2048' }), file('b', ['x']), file('c', ['z'])]);

  assert.deepEqual(
    both.map(({ isPair }) => isPair),
    [true, true, false],
  );
});

for (const [loaded, expect] of [
  ['', ''],
  ['a', 'bcd'],
  ['b', 'cd'],
  ['d', ''],
  ['cd', ''],
  ['abcd', ''],
  ['bd', 'cd'],
  ['ac', 'bcd'],
  ['abc', 'd'],
] as const) {
  test(`of abcd, after "${loaded}" was committed, "${expect}" is committed again`, () => {
    assert.equal(outOfOrder(['a', 'b', 'c', 'd'], new Set(loaded)).join(''), expect);
  });
}

test('names that it is served for: filters, without those of others', () => {
  const identifiers = ['Shop.test', 'www.shop.test', '192.0.2.1'];
  const listed = (...sniFilters: string[]) =>
    servedNames({ identifiers, listing: { crtListOptions: [], sniFilters } });

  assert.deepEqual(servedNames({ identifiers }), ['shop.test', 'www.shop.test']);
  assert.deepEqual(listed(), ['shop.test', 'www.shop.test']);
  assert.deepEqual(listed('!www.shop.test'), ['shop.test']);
  assert.deepEqual(listed('*', '!shop.test'), ['www.shop.test']);
  assert.deepEqual(listed('*.Shop.test', '!a.shop.test'), ['*.shop.test']);
});
