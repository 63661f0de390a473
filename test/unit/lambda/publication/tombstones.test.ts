/** Two words about one name: each PEM keeps its own. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Tombstone, wordOf } from '#contract/manifest.ts';
import { sameTombstones, unitePems, uniteTombstones } from '../../../../lambda/publication/tombstones.ts';
import { named } from '../../../support/issuer/documents.ts';

type Words = Pick<Tombstone, 'reason' | 'at' | 'by'>;
const [first, second] = ['2026-11-20T00:00:00.000Z', '2026-11-21T00:00:00.000Z'];
const by = [named('y')];
const wordFrom = (word: Words, ...digests: string[]) => ({
  www: { ...word, pems: digests.map((sha256) => ({ sha256, notAfter: '2027-01-30T00:00:00.000Z' })) },
});
const wordsIn = ({ www }: Record<string, Tombstone>) =>
  Object.fromEntries((www?.pems ?? []).map((pem) => [pem.sha256, wordOf(www as Tombstone, pem)]));

const ROWS: [says: string, earlier: [Words, string[]], later: [Words, string[]], words: object][] = [
  [
    'revoked, then superseded: what was revoked stays so',
    [{ reason: 'revoked', at: first }, ['D1']],
    [{ reason: 'superseded', at: second, by }, ['D1', 'D2']],
    { D1: { reason: 'revoked', at: first }, D2: { reason: 'superseded', at: second, by } },
  ],
  [
    'superseded, then another PEM is revoked: the condition stays',
    [{ reason: 'superseded', at: first, by }, ['D1']],
    [{ reason: 'revoked', at: second }, ['D2']],
    { D1: { reason: 'superseded', at: first, by }, D2: { reason: 'revoked', at: second } },
  ],
  [
    'superseded, then withdrawn: without a condition',
    [{ reason: 'superseded', at: first, by }, ['D1']],
    [{ reason: 'withdrawn', at: second }, ['D1']],
    { D1: { reason: 'withdrawn', at: second } },
  ],
];
for (const [says, earlier, later, words] of ROWS) {
  test(`${says}, in whichever order they are united`, () => {
    const [a, b] = [wordFrom(earlier[0], ...earlier[1]), wordFrom(later[0], ...later[1])];

    const united = uniteTombstones(a, b);

    assert.deepEqual(wordsIn(united), words);
    assert.ok(sameTombstones(united, uniteTombstones(b, a)));
    assert.ok(sameTombstones(united, uniteTombstones(united, a)), 'said again');
    assert.ok(sameTombstones(united, uniteTombstones(b, united)), 'said again');
  });
}

test('another word about one PEM makes another tombstone', () => {
  const [a, b] = [
    wordFrom({ reason: 'revoked', at: first }, 'D1'),
    wordFrom({ reason: 'superseded', at: second, by }, 'D2'),
  ];
  const united = uniteTombstones(a, b);
  const flat = {
    www: {
      ...united['www'],
      pems: united['www']?.pems.map(({ sha256, notAfter }) => ({ sha256, notAfter })),
    },
  };

  assert.equal(sameTombstones(united, flat as Record<string, Tombstone>), false);
});

const STOLEN: [
  says: string,
  earlier: string | undefined,
  later: string | undefined,
  united: string | undefined,
][] = [
  ['no word says so', undefined, undefined, undefined],
  ['the earlier word says so', first, undefined, first],
  ['the later word says so', undefined, second, second],
  ['both say so', first, second, second],
  ['both say so, the earlier one last', second, first, second],
];
for (const [says, earlier, later, stolenAt] of STOLEN) {
  test(`when a key was said to be stolen, in whichever order the words are united: ${says}`, () => {
    const wordOn = (at: string, stolen: string | undefined, digest: string) => {
      const { www } = wordFrom({ reason: 'withdrawn', at }, digest);
      return { www: { ...www, ...(stolen && { stolenAt: stolen }) } };
    };
    const [a, b] = [wordOn(first, earlier, 'D1'), wordOn(second, later, 'D2')];

    const united = uniteTombstones(a, b);

    assert.deepEqual([united['www']?.at, united['www']?.stolenAt], [second, stolenAt]);
    assert.ok(sameTombstones(united, uniteTombstones(b, a)));
    const { stolenAt: _, ...bare } = united['www'] as Tombstone;
    assert.equal(sameTombstones(united, { www: bare }), stolenAt === undefined);
  });
}

test('of lists that are too long together, each gives its first', () => {
  const list = (letter: string, length: number) =>
    Array.from({ length }, (_, index) => ({
      sha256: `${letter}${index}`,
      notAfter: '2090-01-01T00:00:00.000Z',
    }));

  const pems = unitePems(list('a', 2), list('junk', 5000), list('b', 3)).map(({ sha256 }) => sha256);

  assert.equal(pems.length, 1000);
  for (const sha256 of ['a0', 'a1', 'b0', 'b2', 'junk0']) assert.ok(pems.includes(sha256), sha256);
});
