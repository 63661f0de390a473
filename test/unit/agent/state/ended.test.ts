import assert from 'node:assert/strict';
import { test } from 'node:test';
import { certificateName } from '#contract/layout.ts';
import { emptyManifest, type Manifest, type Tombstone } from '#contract/manifest.ts';
import {
  endedPems,
  endsByDigest,
  hasPassed,
  isEntryEnded,
  mergeEnded,
  withTombstones,
} from '../../../../agent/state/ended.ts';
import { fleet } from '../../../support/agent/host.ts';

const now = new Date('2026-11-22T12:00:00Z');
const [sha, otherSha] = ['a'.repeat(64), 'b'.repeat(64)];
const at = '2026-11-20T00:00:00Z';
const tombstone = (changes: Partial<Tombstone> = {}): Tombstone => ({
  reason: 'withdrawn',
  at,
  pems: [{ sha256: sha, notAfter: '2027-01-30T00:00:00Z' }],
  ...changes,
});
const manifest = (tombstones: Record<string, Tombstone>, changes: Partial<Manifest> = {}): Manifest => ({
  ...emptyManifest(fleet, now),
  ...{ version: 2, sequence: 20, signedAt: now.toISOString(), tombstones, ...changes },
});
const name = certificateName.parse('shop');
const shop = { certificate: name, sha256: sha };

test('a tombstone is remembered with the sequence of the first manifest that had it, and the state stays the same after that', () => {
  const ended = withTombstones(undefined, manifest({ shop: tombstone() }), now);

  assert.deepEqual(ended[name]?.[sha]?.sequence, 20);
  assert.equal(endedPems.safeParse(ended).success, true);
  assert.equal(withTombstones(ended, manifest({ shop: tombstone() }, { sequence: 21 }), now), ended);
  assert.equal(
    withTombstones(ended, manifest({}, { sequence: 22 }), now),
    ended,
    'it is gone from the manifest',
  );
});

test('a second word about the same PEM counts from its own manifest on', () => {
  const ended = withTombstones(undefined, manifest({ shop: tombstone() }), now);

  const later = withTombstones(
    ended,
    manifest({ shop: tombstone({ at: '2026-11-21T00:00:00Z', reason: 'revoked' }) }, { sequence: 30 }),
    now,
  );

  assert.deepEqual([later[name]?.[sha]?.sequence, later[name]?.[sha]?.reason], [30, 'revoked']);
});

test('the same word with another list of what takes its place is a new one', () => {
  const superseded = (...by: string[]) =>
    manifest({ shop: tombstone({ reason: 'superseded', by: by.map((one) => certificateName.parse(one)) }) });
  const ended = withTombstones(undefined, superseded('x'), now);

  const later = withTombstones(ended, { ...superseded('x', 'y'), sequence: 30 }, now);

  assert.deepEqual([later[name]?.[sha]?.by, later[name]?.[sha]?.sequence], [['x', 'y'], 30]);
  assert.equal(withTombstones(later, superseded('x', 'y'), now), later);
});

test('a PEM with a word of its own goes by that, the others by the tombstone’s', () => {
  const by = [certificateName.parse('y')];
  const notAfter = '2027-01-30T00:00:00Z';
  const own = { reason: 'revoked', at: '2026-11-19T00:00:00Z' };
  const pems = [
    { sha256: sha, notAfter, ...own },
    { sha256: otherSha, notAfter },
  ];

  const ended = withTombstones(
    undefined,
    manifest({ shop: tombstone({ reason: 'superseded', by, pems }) }),
    now,
  );

  assert.deepEqual(ended[name]?.[sha], { ...own, sequence: 20, notAfter });
  assert.deepEqual(ended[name]?.[otherSha], { reason: 'superseded', at, by, sequence: 20, notAfter });
});

test('it is forgotten when the PEM has expired for the issuer and for this host, not before', () => {
  const ended = withTombstones(undefined, manifest({ shop: tombstone() }), now);
  const later = '2027-02-01T00:00:00Z';

  const hostAhead = withTombstones(ended, manifest({}), new Date(later));
  const issuerAhead = withTombstones(ended, manifest({}, { signedAt: later }), now);
  const both = withTombstones(ended, manifest({}, { signedAt: later }), new Date(later));

  assert.equal(hostAhead, ended);
  assert.equal(issuerAhead, ended);
  assert.deepEqual(both, {});
});

const ENTRIES: [says: string, sequence: number | undefined, isNamed: boolean, isEnded: boolean][] = [
  ['of an older manifest', 19, false, true],
  ['of the manifest with the tombstone', 20, false, true],
  ['of a later one: published again', 21, false, false],
  ['of version 1', undefined, false, true],
  ['of a later one that has the tombstone, too: the tombstone wins', 21, true, true],
];
for (const [says, sequence, isNamed, isEnded] of ENTRIES) {
  test(`an entry ${says} is ${isEnded ? 'not ' : ''}installed`, () => {
    const ended = withTombstones(undefined, manifest({ shop: tombstone() }), now);
    const tombstones = isNamed ? { [name]: tombstone() } : undefined;

    assert.equal(isEntryEnded({ ...shop, sequence }, ended, tombstones), isEnded);
    assert.equal(isEntryEnded({ ...shop, sequence, certificate: 'other' }, ended, tombstones), false);
    assert.equal(isEntryEnded({ ...shop, sequence, sha256: otherSha }, ended, tombstones), false);
  });
}

test('what two places remember is merged: the later word of each', () => {
  const [a, b] = [20, 30].map((sequence) =>
    withTombstones(undefined, manifest({ shop: tombstone() }, { sequence }), now),
  );
  const other = withTombstones(undefined, manifest({ other: tombstone() }), now);

  assert.equal(mergeEnded(b, a), b);
  assert.deepEqual(mergeEnded(a, b), b);
  assert.deepEqual(Object.keys(mergeEnded(a, other) ?? {}), ['shop', 'other']);
  assert.equal(mergeEnded(undefined, undefined), undefined);
});

test('by digest, all words about a PEM are there, under whatever name', () => {
  const ended = withTombstones(
    undefined,
    manifest({ shop: tombstone(), other: tombstone({ reason: 'revoked' }) }),
    now,
  );

  assert.deepEqual(
    endsByDigest(ended)
      .get(sha)
      ?.map(({ reason }) => reason),
    ['withdrawn', 'revoked'],
  );
});

test('a time has passed when it has for both; version 1 tells the time of its last change', () => {
  const version1 = emptyManifest(fleet, new Date('2026-11-01T00:00:00Z'));

  assert.equal(hasPassed('2026-11-10T00:00:00Z', version1, now), false);
  assert.equal(hasPassed('2026-10-31T00:00:00Z', version1, now), true);
  assert.equal(hasPassed(now, manifest({}), now), true);
});
