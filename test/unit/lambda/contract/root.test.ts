/** The signed manifest: what it refuses, whoever may write to the bucket. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { fleetName } from '#contract/layout.ts';
import { parseRootParts, type SignedManifest, serializeRoot } from '#contract/root.ts';
import { NO_SHARDS } from '#contract/shard/node.ts';
import { generatePrivateKey, signerOf } from '#contract/statement.ts';
import { makeEntry, named } from '../../../support/issuer/documents.ts';
import { certificatesOf } from '../../../support/manifest.ts';
import { parseRoot } from '../../../support/parse-root.ts';

const fleet = fleetName.parse('edge');
const signer = signerOf(generatePrivateKey());
const manifest: SignedManifest = {
  version: 2,
  fleet,
  lineage: 'b3c1',
  sequence: 1_795_000_000_000,
  signedAt: '2026-11-27T09:00:00.000Z',
  updatedAt: '2026-11-27T08:00:00.000Z',
  requires: [],
  certificates: certificatesOf({ 'b.test': makeEntry(), 'a.test': makeEntry() }),
  tombstones: {
    [named('old.test')]: {
      reason: 'withdrawn',
      at: '2026-11-27T08:00:00.000Z',
      pems: [{ sha256: 'f'.repeat(64), notAfter: '2027-01-01T00:00:00.000Z' }],
    },
  },
};
const { text, head } = serializeRoot(manifest, signer);

test('what was signed is read; equal content gives equal bytes', () => {
  const read = parseRoot(fleet, Buffer.from(text));

  assert.deepEqual(read, { manifest, head, key: signer.key });
  assert.deepEqual(Object.keys(read.manifest.certificates), ['a.test', 'b.test']);
  const { 'a.test': a, 'b.test': b } = manifest.certificates as Record<string, object>;
  const turned = { ...manifest, certificates: certificatesOf({ 'a.test': a ?? {}, 'b.test': b ?? {} }) };
  assert.equal(serializeRoot(turned, signer).text, text);
});

test('it is one JSON document, and its signature is its last member', () => {
  assert.deepEqual(JSON.parse(text), { ...manifest, signature: head });
});

test('members of a newer writer survive', () => {
  const newer = { ...manifest, extra: { a: 1 } };

  assert.deepEqual(parseRoot(fleet, Buffer.from(serializeRoot(newer, signer).text)).manifest, newer);
});

const other = serializeRoot({ ...manifest, sequence: 5 }, signer);
const ALTERED: [what: string, bytes: string, code: string][] = [
  ['one digit', text.replace('"sequence": 1795', '"sequence": 1796'), 'ERR_MANIFEST_SIGNATURE'],
  ['the head of another root of ours', text.replace(head, other.head), 'ERR_MANIFEST_SIGNATURE'],
  ['no signature', `${JSON.stringify(manifest, null, 2)}\n`, 'ERR_MANIFEST_SIGNATURE'],
  ['truncated', text.slice(0, 500), 'ERR_MANIFEST_SIGNATURE'],
  ['empty', '', 'ERR_MANIFEST_SIGNATURE'],
  ['white space at its end', `${text}\n`, 'ERR_MANIFEST_SIGNATURE'],
  [
    'a member behind the signature',
    text.replace(/\n}\n$/, ',\n  "fleet": "x"\n}\n'),
    'ERR_MANIFEST_SIGNATURE',
  ],
  ['a signature before ours', text.replace('{\n', '{\n  "signature": "x",\n'), 'ERR_MANIFEST_SIGNATURE'],
];

for (const [what, bytes, code] of ALTERED) {
  test(`altered (${what}): ${code}`, () => {
    assert.throws(() => parseRoot(fleet, Buffer.from(bytes)), { code, key: 'published/edge/root.json' });
  });
}

const signed = (changes: object) => Buffer.from(serializeRoot({ ...manifest, ...changes }, signer).text);

test('the root of another fleet is refused, though the issuer signed it', () => {
  const elsewhere = signed({ fleet: fleetName.parse('other') });

  assert.throws(() => parseRoot(fleet, elsewhere), { code: 'ERR_MANIFEST_SCHEMA' });
});

test('a word in `requires` that this version does not know is named, however the rest looks', () => {
  const bytes = signed({ requires: ['time-travel'], certificates: 'elsewhere' as never });

  assert.throws(() => parseRoot(fleet, bytes), {
    code: 'ERR_MANIFEST_REQUIRES',
    message: /time-travel.*upgrade/,
  });
});

test('another version is refused', () => {
  assert.throws(() => parseRoot(fleet, signed({ version: 3 })), {
    code: 'ERR_MANIFEST_VERSION',
    message: /wanted version 2, saw 3/,
  });
});

test('a head that says other things than the content is refused', () => {
  const lying = {
    key: signer.key,
    sign: (kind: Parameters<typeof signer.sign>[0], claims: object) =>
      signer.sign(kind, { ...claims, sequence: 9_999_999_999_999 }),
  };

  const bytes = Buffer.from(serializeRoot(manifest, lying).text);

  assert.throws(() => parseRoot(fleet, bytes), { code: 'ERR_MANIFEST_SIGNATURE', message: /other things/ });
});

const digests = NO_SHARDS.map((none, slot) => (slot === 7 ? 'a'.repeat(64) : none));
const sharded = serializeRoot({ ...manifest, requires: ['later'] }, signer, digests);

test('a large manifest: the root has digests of shards, and says that its reader has to know them', () => {
  const { text: bytes } = serializeRoot(manifest, signer, digests);

  const { manifest: read, shards } = parseRootParts(fleet, Buffer.from(bytes));

  assert.deepEqual(shards, digests);
  assert.deepEqual(read, { ...manifest, requires: ['shards'], certificates: {}, tombstones: {} });
  assert.ok(bytes.length < 6_000, `${bytes.length} bytes`);
  assert.deepEqual(JSON.parse(sharded.text).requires, ['later', 'shards']);
  assert.deepEqual(JSON.parse(serializeRoot(read, signer).text).requires, [], 'small again');
});

test('who does not read shards takes no root with shards for an empty one', () => {
  const bytes = Buffer.from(serializeRoot(manifest, signer, digests).text);

  assert.throws(() => parseRoot(fleet, bytes), { code: 'ERR_MANIFEST_REQUIRES', message: /shards/ });
});

const CONTENTS: [what: string, changes: object][] = [
  ['shards without the word', { certificates: undefined, tombstones: undefined, shards: digests }],
  ['the word without shards', { requires: ['shards'] }],
  ['neither', { certificates: undefined, tombstones: undefined }],
  ['certificates without tombstones', { tombstones: undefined }],
];
for (const [what, changes] of CONTENTS) {
  test(`refused: ${what}`, () => {
    const body = JSON.stringify({ ...manifest, ...changes }, null, 2);
    const { lineage, sequence, signedAt } = manifest;
    const digest = createHash('sha256').update(`${body}\n`).digest('hex');
    const signature = signer.sign('manifest', { lineage, fleet, sequence, signedAt, sha256: digest });
    const bytes = Buffer.from(`${body.slice(0, -2)},\n  "signature": "${signature}"\n}\n`);

    assert.throws(() => parseRootParts(fleet, bytes), { code: 'ERR_MANIFEST_SCHEMA', message: /either/ });
  });
}
