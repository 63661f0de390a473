/** Which certificates a request covers, a row for each condition and each edge. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HOUR_MS } from '#common/time.ts';
import type { ManifestEntry } from '#contract/manifest.ts';
import { Replacements } from '../../../../lambda/replacement/covered.ts';
import type { ReplacementScope } from '../../../../lambda/replacement/requests.ts';
import { after, noon } from '../../../support/clock.ts';
import { DIRECTORY_URL, makeEntry, makePemRef } from '../../../support/issuer/documents.ts';

const at = after(noon, HOUR_MS);
const iso = (hours: number) => after(noon, hours * HOUR_MS).toISOString();
const old = makeEntry({ publishedAt: iso(0) });
const imported = { ...old, issued: { origin: 'imported', importedAt: iso(0) } } as ManifestEntry;
const withPems = (...pems: Parameters<typeof makePemRef>[0][]) =>
  makeEntry({ publishedAt: iso(0), pems: pems.map((pem) => makePemRef(pem)) });

interface Row {
  says: string;
  scope: ReplacementScope;
  entry: ManifestEntry | undefined;
  isCovered: boolean;
}

const ALL: ReplacementScope = { all: true };
const ROWS: readonly Row[] = [
  { says: 'all: what was published before', scope: ALL, entry: old, isCovered: true },
  { says: 'all: nobody ordered it', scope: ALL, entry: imported, isCovered: true },
  { says: 'nothing is published', scope: ALL, entry: undefined, isCovered: false },
  {
    says: 'published at that very moment: replaced already',
    scope: ALL,
    entry: makeEntry({ publishedAt: iso(1) }),
    isCovered: false,
  },
  {
    says: 'published a millisecond before',
    scope: ALL,
    entry: makeEntry({ publishedAt: after(at, -1).toISOString() }),
    isCovered: true,
  },
  { says: 'of this CA', scope: { directoryUrl: DIRECTORY_URL }, entry: old, isCovered: true },
  { says: 'of another CA', scope: { directoryUrl: 'https://b.test/' }, entry: old, isCovered: false },
  {
    says: 'imported, so of no CA',
    scope: { directoryUrl: DIRECTORY_URL },
    entry: imported,
    isCovered: false,
  },
  { says: 'valid from an earlier time', scope: { issuedBefore: iso(0.5) }, entry: old, isCovered: true },
  { says: 'valid from that time on', scope: { issuedBefore: iso(0) }, entry: old, isCovered: false },
  { says: 'its serial', scope: { serials: ['0A'] }, entry: old, isCovered: true },
  {
    says: 'its serial with other zeros in front',
    scope: { serials: ['000A'] },
    entry: withPems({ serial: 'A' }),
    isCovered: true,
  },
  { says: 'another serial', scope: { serials: ['0B'] }, entry: old, isCovered: false },
  {
    says: 'of a pair, the second PEM',
    scope: { serials: ['0B'] },
    entry: withPems({ serial: '0A' }, { serial: '0B', keyType: 'rsa2048' }),
    isCovered: true,
  },
  {
    says: 'of a pair, one has the serial and the other one the time',
    scope: { serials: ['0B'], issuedBefore: iso(0.5) },
    entry: withPems({ serial: '0A' }, { serial: '0B', keyType: 'rsa2048', notBefore: iso(0.7) }),
    isCovered: false,
  },
  {
    says: 'of this CA, and too late',
    scope: { directoryUrl: DIRECTORY_URL, issuedBefore: iso(0) },
    entry: old,
    isCovered: false,
  },
];

for (const { says, scope, entry, isCovered } of ROWS) {
  test(`${says}: ${isCovered ? 'covered' : 'not covered'}`, () => {
    const requests = [{ at: at.toISOString(), scope, certificates: 1 }];

    const since = new Replacements(requests, at).replaceSince(entry);

    assert.deepEqual(since, isCovered ? at : undefined);
  });
}

test('of two requests that cover it, the later one counts', () => {
  const requests = [iso(1), iso(2)].map((time) => ({ at: time, scope: ALL, certificates: 1 }));

  const replacements = new Replacements(requests, after(noon, 3 * HOUR_MS));

  assert.deepEqual(replacements.replaceSince(old), after(noon, 2 * HOUR_MS));
});

test("a request of a clock that is ahead waits: today's certificates would be replaced in each pass", () => {
  const requests = [{ at: iso(1), scope: ALL, certificates: 1 }];

  assert.equal(new Replacements(requests, after(noon, HOUR_MS / 2)).replaceSince(old), undefined);
});
