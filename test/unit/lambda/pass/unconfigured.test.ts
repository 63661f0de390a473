/** What is published and not configured: what takes its place, and what keeps it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DAY_MS } from '#common/time.ts';
import { fleetName } from '#contract/layout.ts';
import { emptyManifest, type Manifest, type ManifestEntry } from '#contract/manifest.ts';
import type { CertificateSpec } from '../../../../lambda/config/config.ts';
import { coverageOf, unconfiguredIn } from '../../../../lambda/pass/unconfigured.ts';
import { after, noon } from '../../../support/clock.ts';
import { fleet, makeEntry, makePemRef, makeSpec, named } from '../../../support/issuer/documents.ts';
import { certificatesOf } from '../../../support/manifest.ts';

const specFor = (name: string, identifiers: string[], changes: Partial<CertificateSpec> = {}) =>
  makeSpec({ name: named(name), identifiers, ...changes });

const manifestOf = (entries: Record<string, readonly string[] | ManifestEntry>): Manifest => ({
  ...emptyManifest(fleet, noon),
  certificates: certificatesOf(
    Object.fromEntries(
      Object.entries(entries).map(([name, entry]) => [
        name,
        Array.isArray(entry) ? makeEntry({ identifiers: [...entry] }) : (entry as ManifestEntry),
      ]),
    ),
  ),
});

test('unconfigured is what no certificate of the configuration is named, or is named for other fleets only', () => {
  const other = fleetName.parse('other');
  const manifest = manifestOf({ kept: ['kept.test'], moved: ['moved.test'], gone: ['gone.test'] });
  const specs = [specFor('kept', ['kept.test']), specFor('moved', ['moved.test'], { fleets: [other] })];

  const names = unconfiguredIn(specs, manifest).map(({ name, fleet: of }) => `${of}/${name}`);

  assert.deepEqual(names, ['default/moved', 'default/gone']);
});

const valid = makePemRef();
const expired = makePemRef({ notAfter: noon.toISOString() });
const coming = makePemRef({ notBefore: after(noon, DAY_MS).toISOString() });

const ROWS: [
  says: string,
  specs: CertificateSpec[],
  published: Record<string, string[] | ManifestEntry>,
  expected: object,
][] = [
  [
    'A5: identifiers in another order give another default name',
    [specFor('www.test', ['www.test', 'old.test'])],
    { 'www.test': ['www.test', 'old.test'] },
    { by: ['www.test'], uncovered: [] },
  ],
  [
    'one of two names is missing',
    [specFor('www.test', ['www.test'])],
    { 'www.test': ['www.test'] },
    { by: ['www.test'], uncovered: ['old.test'] },
  ],
  [
    'two certificates have one name each',
    [specFor('a', ['www.test']), specFor('b', ['old.test'])],
    { a: ['www.test'], b: ['old.test'] },
    { by: ['a', 'b'], uncovered: [] },
  ],
  [
    'of several that have all names, one is enough',
    [specFor('a', ['www.test', 'old.test']), specFor('b', ['old.test', 'www.test'])],
    { a: ['www.test', 'old.test'], b: ['old.test', 'www.test'] },
    { by: ['a'], uncovered: [] },
  ],
  [
    'a wildcard covers one label, and not its parent',
    [specFor('wild', ['*.test'])],
    { wild: ['*.test'] },
    { by: ['wild'], uncovered: [] },
  ],
  [
    'it is configured and not published yet',
    [specFor('new', ['www.test', 'old.test'])],
    {},
    { by: [], uncovered: ['old.test', 'www.test'] },
  ],
  [
    'it is published with fewer names than it is configured with',
    [specFor('new', ['www.test', 'old.test'])],
    { new: ['www.test'] },
    { by: ['new'], uncovered: ['old.test'] },
  ],
  [
    'it is configured with fewer names than it is published with',
    [specFor('new', ['www.test'])],
    { new: ['www.test', 'old.test'] },
    { by: ['new'], uncovered: ['old.test'] },
  ],
  [
    'another one that is not configured either does not count',
    [specFor('a', ['a.test'])],
    { a: ['a.test'], stray: ['www.test', 'old.test'] },
    { by: [], uncovered: ['old.test', 'www.test'] },
  ],
  [
    'it is configured for another fleet',
    [specFor('new', ['www.test', 'old.test'], { fleets: [fleetName.parse('other')] })],
    { new: ['www.test', 'old.test'] },
    { by: [], uncovered: ['old.test', 'www.test'] },
  ],
  [
    'the successor has expired',
    [specFor('new', ['www.test', 'old.test'])],
    { new: makeEntry({ identifiers: ['www.test', 'old.test'], pems: [expired] }) },
    { by: [], uncovered: ['old.test', 'www.test'] },
  ],
  [
    'one PEM of the successor’s pair is not valid yet',
    [specFor('new', ['www.test', 'old.test'])],
    { new: makeEntry({ identifiers: ['www.test', 'old.test'], pems: [valid, coming] }) },
    { by: [], uncovered: ['old.test', 'www.test'] },
  ],
  [
    'its line in crt-lists names one of the names',
    [
      specFor('new', ['www.test', 'old.test'], {
        haproxy: { crtListOptions: [], sniFilters: ['www.test'] },
      }),
    ],
    { new: ['www.test', 'old.test'] },
    { by: ['new'], uncovered: ['old.test'] },
  ],
  [
    'its line in crt-lists refuses one of the names',
    [
      specFor('new', ['www.test', 'old.test'], {
        haproxy: { crtListOptions: [], sniFilters: ['*', '!old.test'] },
      }),
    ],
    { new: ['www.test', 'old.test'] },
    { by: ['new'], uncovered: ['old.test'] },
  ],
];

for (const [says, specs, published, expected] of ROWS) {
  test(`a certificate for old.test and www.test, where ${says}`, () => {
    const manifest = manifestOf({ ...published, 'old.test': ['old.test', 'www.test'] });

    const { by, uncovered } = coverageOf(['old.test', 'www.test'], specs, manifest, noon);

    assert.deepEqual({ by: [...by.keys()].sort(), uncovered }, expected);
  });
}

test('an address is covered by itself alone', () => {
  const manifest = manifestOf({ wild: ['*.0.2.1', '192.0.2.7'] });
  const specs = [specFor('wild', ['*.0.2.1', '192.0.2.7'])];

  const { by, uncovered } = coverageOf(['192.0.2.1', '192.0.2.7'], specs, manifest, noon);

  assert.deepEqual({ by: [...by.keys()], uncovered }, { by: ['wild'], uncovered: ['192.0.2.1'] });
});
