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

const refused: [string, object][] = [
  ['a second line', { crtListOptions: ['alpn h2\n/etc/x.pem'], sniFilters: [] }],
  ['a bracket', { crtListOptions: ['alpn h2] x ['], sniFilters: [] }],
  ['a filter that is two', { crtListOptions: [], sniFilters: ['a.test b.test'] }],
  ['a filter that opens options', { crtListOptions: [], sniFilters: ['[alpn'] }],
  ['a comment', { crtListOptions: [], sniFilters: ['#x'] }],
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
