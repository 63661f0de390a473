import assert from 'node:assert/strict';
import { test } from 'node:test';
import { digest, parse } from '#contract/combined-pem.ts';
import { fleetName } from '#contract/layout.ts';
import { emptyManifest, parseManifest, serializeManifest } from '#contract/manifest.ts';
import { newestEntry, newManifestEntry } from '../../../../lambda/publication/entry.ts';
import { after, noon } from '../../../support/clock.ts';
import {
  DIRECTORY_URL,
  makeEntry,
  makeManifests,
  makePemRef,
  makeSpec,
  named,
} from '../../../support/issuer/documents.ts';
import { createPki } from '../../../support/parts/pki.ts';

const [one, two, three] = [fleetName.parse('one'), fleetName.parse('two'), fleetName.parse('three')];
const spec = makeSpec({ fleets: [one, two, three] });
const name = named('a.test');

test('an entry says what was issued, as the leaf says it', async () => {
  const pki = await createPki();
  const validity = { notBefore: noon, notAfter: after(noon, 5_000) };
  const { combined } = await pki.issue({ names: ['a.test'], serial: '0a1b', ...validity });
  const obtained = { text: combined, pem: parse(combined) };
  const accountUrl = 'https://ca.test/account/1';

  const made = newManifestEntry(
    spec,
    { directoryUrl: DIRECTORY_URL, accountUrl, profile: 'classic', preferredChain: undefined },
    [obtained],
    noon,
  );
  const entry: typeof made = JSON.parse(JSON.stringify(made));

  const { certId, ...pem } = entry.pems[0] ?? makePemRef();
  assert.match(certId ?? '', /^[\w-]{27}\.Chs$/);
  assert.deepEqual(pem, {
    sha256: digest(combined),
    size: combined.length,
    keyType: 'ec256',
    serial: '0A1B',
    notBefore: noon.toISOString(),
    notAfter: after(noon, 5_000).toISOString(),
    chainLength: 2,
  });
  assert.deepEqual(entry.issued, { directoryUrl: DIRECTORY_URL, accountUrl, profile: 'classic' });
  const text = serializeManifest({ ...emptyManifest(one, noon), certificates: { [name]: entry } });
  assert.deepEqual(parseManifest(one, Buffer.from(text)).certificates[name], entry);
});

const older = makeEntry({
  publishedAt: after(noon, -1_000).toISOString(),
  pems: [makePemRef({ sha256: 'b'.repeat(64) })],
});
const newer = makeEntry();

for (const [says, entries, wanted] of [
  ['no fleet has any', [], undefined],
  ['no fleet has this certificate', [[one, undefined]], undefined],
  [
    'one fleet has it',
    [
      [one, undefined],
      [two, newer],
    ],
    newer,
  ],
  [
    'the first has the newest',
    [
      [one, newer],
      [two, older],
    ],
    newer,
  ],
  [
    'the last has the newest',
    [
      [one, older],
      [two, undefined],
      [three, newer],
    ],
    newer,
  ],
] as const) {
  test(`the newest among the fleets, where ${says}`, () => {
    assert.deepEqual(newestEntry(spec, makeManifests(entries)), wanted);
  });
}

test('fleets that the certificate is not for do not count', () => {
  assert.equal(
    newestEntry(
      makeSpec({ fleets: [one] }),
      makeManifests([
        [one, older],
        [two, newer],
      ]),
    ),
    older,
  );
});
