import assert from 'node:assert/strict';
import { test } from 'node:test';
import { outOfOrder, servedNames, withOverlaps } from '../../../../agent/desired/overlap.ts';
import { desired, now } from '../../../support/agent/plan-fixtures.ts';

const file = (name: string, identifiers: string[], changes: object = {}) => ({
  ...desired,
  file: `${name}.pem`,
  identifiers,
  ...changes,
});

const brief = (files: ReturnType<typeof file>[]) =>
  withOverlaps(files, now).map((seen) => [
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
  const both = withOverlaps(
    [file('a', ['x'], { keyType: 'rsa2048' }), file('b', ['x']), file('c', ['z'])],
    now,
  );

  assert.deepEqual(
    both.map(({ isPair }) => isPair),
    [true, true, false],
  );
});

const day = (date: string) => new Date(`2026-11-${date}T00:00:00Z`);
const newer = { notBefore: day('10') };
const expired = { notAfter: now };
const early = { notBefore: new Date(now.getTime() + 1000) };
const holding = (...names: string[]) => ({ names: ['x', ...names] });

const orderRows: [says: string, files: ReturnType<typeof file>[], order: string, why: string][] = [
  ['the newer', [file('a', ['x']), file('b', ['x'], newer)], 'ba', 'it was issued later'],
  [
    'the valid, though older',
    [file('a', ['x'], { ...newer, ...expired }), file('b', ['x'])],
    'ba',
    'it is valid, the other is not',
  ],
  [
    'the valid, not the one of tomorrow',
    [file('a', ['x'], early), file('b', ['x'])],
    'ba',
    'it is valid, the other is not',
  ],
  [
    'the newer of two that have expired',
    [file('a', ['x'], expired), file('b', ['x'], { ...newer, ...expired })],
    'ba',
    'it was issued later',
  ],
  [
    'the configured',
    [file('a', ['a'], holding('a')), file('b', ['x'])],
    'ba',
    'the manifest orders it for this name',
  ],
  [
    'the newer, though it merely holds the name',
    [file('a', ['x']), file('b', ['b'], { ...newer, ...holding() })],
    'ba',
    'it was issued later',
  ],
  [
    'the one that is published later',
    [file('a', ['x']), file('b', ['x'], { publishedAt: day('02') })],
    'ba',
    'it was published later',
  ],
  ['the same one always', [file('b', ['x']), file('a', ['x'])], 'ab', 'its file name comes first'],
  [
    'the newest of a chain',
    [file('a', ['x']), file('b', ['x', 'y'], newer), file('c', ['y'], { notBefore: day('20') })],
    'cba',
    'it was issued later',
  ],
];

for (const [says, files, order, why] of orderRows) {
  test(`of files with one name, HAProxy is to serve ${says}`, () => {
    for (const given of [files, [...files].reverse()]) {
      const seen = withOverlaps(given, now);
      const names = seen[0]?.namesakes?.map((name) => name.replace('.pem', ''));
      assert.equal(names?.join(''), order);
      assert.deepEqual(
        [...new Set(seen.flatMap(({ shadows = [] }) => shadows.map((shadow) => shadow.why)))],
        [why],
      );
    }
  });
}

test('where HAProxy reads them by file name and takes no commands, the first by file name is served', () => {
  const [a, b] = withOverlaps([file('b', ['x'], newer), file('a', ['x'], expired)], now, true);

  assert.deepEqual(a?.namesakes, ['a.pem', 'b.pem']);
  assert.deepEqual(b?.shadows, [{ name: 'x', by: 'a.pem', why: 'its file name comes first' }]);
});

test('a file is proved by one name for each set of files that it stands before', () => {
  const seen = withOverlaps(
    [file('a', ['own', 'x', 'y', 'z'], newer), file('b', ['x', 'y']), file('c', ['z', 'c'])],
    now,
  );

  assert.deepEqual(
    seen.map(({ precedences }) => precedences),
    [['x', 'z'], [], []],
  );
});

test('a wildcard of the other kind of key counts: each is asked for by its own kind of client', () => {
  const seen = withOverlaps(
    [
      file('exact', ['a.x.test'], { keyType: 'rsa2048' }),
      file('wild', ['*.x.test']),
      file('z', ['a.b.x.test']),
    ],
    now,
  );

  assert.deepEqual(
    seen.map(({ isPair, namesakes }) => [isPair, namesakes]),
    [
      [true, undefined],
      [false, undefined],
      [false, undefined],
    ],
  );
});

test('a wildcard of the other kind counts by its filters, and a refused name does not', () => {
  const listed = (...sniFilters: string[]) => ({ listing: { crtListOptions: [], sniFilters } });
  const isAskedByKind = (...files: ReturnType<typeof file>[]) =>
    withOverlaps(files, now).map(({ isPair }) => isPair);
  const rsa = { keyType: 'rsa2048' } as const;
  const wild = (changes: object = {}) => file('wild', ['*.x.test'], changes);

  assert.deepEqual(isAskedByKind(file('exact', ['a.x.test']), wild(rsa)), [true, false]);
  assert.deepEqual(isAskedByKind(file('exact', ['a.x.test'], rsa), wild(listed('*.x.test'))), [true, false]);
  assert.deepEqual(isAskedByKind(file('exact', ['a.x.test'], rsa), wild(listed('*.y.test'))), [false, false]);
  assert.deepEqual(isAskedByKind(file('exact', ['a.y.test'], { ...rsa, ...listed('a.x.test') }), wild()), [
    true,
    false,
  ]);
  assert.deepEqual(
    isAskedByKind(file('exact', ['a.x.test', 'b.y.test'], { ...rsa, ...listed('!a.x.test') }), wild()),
    [false, false],
  );
  assert.deepEqual(isAskedByKind(file('pair', ['a.x.test'], { ...rsa, isPair: true }), wild()), [
    true,
    false,
  ]);
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
  ['dc', 'd'],
  ['dcba', 'bcd'],
  ['cab', 'cd'],
] as const) {
  test(`of abcd, after "${loaded}" was committed, "${expect}" is committed again`, () => {
    assert.equal(outOfOrder(['a', 'b', 'c', 'd'], [...loaded]).join(''), expect);
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
