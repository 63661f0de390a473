// How a certificate is to be listed in HAProxy: an optional field of manifest v1, which old readers pass over.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { ContractError } from '#contract/errors.ts';
import { fleetName } from '#contract/layout.ts';
import { parseManifest, sameEntry, sameStapled, serializeManifest } from '#contract/manifest.ts';

const fleet = fleetName.parse('edge');
const golden = readFileSync('test/unit/lambda/contract/golden/manifest-haproxy-v1.json', 'utf8');
const read = (body: string) => parseManifest(fleet, Buffer.from(body));

test('what v1 published with a listing is read and written again, byte for byte', () => {
  assert.equal(serializeManifest(read(golden)), golden);
});

/** What the words are is no matter of the manifest's schema: one wrong line would refuse all other certificates. */
const refused: [string, object][] = [
  ['an option without end', { crtListOptions: ['x'.repeat(1001)], sniFilters: [] }],
  ['options without end', { crtListOptions: Array(51).fill('alpn h2'), sniFilters: [] }],
  ['a filter without end', { crtListOptions: [], sniFilters: ['x'.repeat(255)] }],
  ['an option that is no text', { crtListOptions: [1], sniFilters: [] }],
  ['half of it', { crtListOptions: [] }],
];

for (const [says, haproxy] of refused) {
  test(`refused: ${says}`, () => {
    const document = JSON.parse(golden);
    document.certificates['api.example.com'].haproxy = haproxy;

    assert.throws(
      () => read(JSON.stringify(document)),
      (error: Error) =>
        error instanceof ContractError && error.message.includes('certificates.api.example.com.haproxy.'),
    );
  });
}

test('another listing is another entry, but no other certificate', () => {
  const [entry] = Object.values(read(golden).certificates);
  assert.ok(entry);
  const { haproxy: _, ...bare } = entry;

  assert.deepEqual([sameEntry(entry, { ...entry }), sameEntry(entry, bare)], [true, false]);
  assert.equal(sameStapled(entry, bare), true);
});
