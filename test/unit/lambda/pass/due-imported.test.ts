/** What was imported is never ordered; where a CA is named for it, that orders it in time and not before. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DAY_MS } from '#common/time.ts';
import type { ManifestEntry } from '#contract/manifest.ts';
import { decide } from '../../../../lambda/pass/due.ts';
import { makeDueInput } from '../../../support/issuer/documents.ts';

const base = makeDueInput();
const [pem] = base.published?.pems ?? [];
if (base.published === undefined || pem === undefined) throw new TypeError('an entry');
const imported: ManifestEntry = {
  ...base.published,
  issued: { origin: 'imported', importedAt: base.published.publishedAt },
  pems: [{ ...pem, keyType: 'rsa4096' }],
};
const spec = { ...base.spec, imported: true };
const [notBefore, notAfter] = [Date.parse(pem.notBefore), Date.parse(pem.notAfter)];
const early = new Date(notBefore + DAY_MS);
const late = new Date(notAfter - DAY_MS);
const windows = new Map();
const decision = (changes: object) => {
  const made = decide(makeDueInput({ published: imported, windows, now: early, ...changes }));
  return [made.action, made.reason];
};

test('configured as imported: it stays, whatever asks for an order', () => {
  for (const changes of [{}, { now: late }, { forced: true }, { replaceSince: late }, { isLost: true }]) {
    assert.deepEqual(decision({ spec, ...changes }), ['keep', 'imported'], JSON.stringify(changes));
  }
  assert.deepEqual(decision({ spec, revoked: new Set([pem.sha256]) }), ['keep', 'imported']);
  assert.deepEqual(decision({ spec, published: base.published }), ['keep', 'imported'], 'a CA has issued it');
});

test('configured as imported: nothing is there, or a name is missing in it', () => {
  assert.deepEqual(decision({ spec, published: undefined }), ['defer', 'import-missing']);
  const more = { ...spec, identifiers: [...spec.identifiers, 'more.test'] };
  assert.deepEqual(decision({ spec: more }), ['defer', 'import-names']);
});

test('a CA is named for what was imported: in time, not before, whatever its key is', () => {
  const named = base.spec;
  assert.deepEqual(decision({ spec: named }), ['keep', 'fresh']);
  assert.deepEqual(decision({ spec: named, now: new Date(notAfter - (notAfter - notBefore) / 4) }), [
    'obtain',
    'lifetime',
  ]);
  assert.deepEqual(decision({ spec: named, now: late }), ['obtain', 'emergency']);
  assert.deepEqual(decision({ spec: named, revoked: new Set([pem.sha256]) }), ['obtain', 'revoked']);
  assert.deepEqual(decision({ spec: named, forced: true }), ['obtain', 'forced']);
  const more = { ...named, identifiers: [...named.identifiers, 'more.test'] };
  assert.deepEqual(decision({ spec: more }), ['obtain', 'identifiers-changed']);
  const wildcard = { ...imported, identifiers: ['*.example.com', ...imported.identifiers] };
  assert.deepEqual(decision({ spec: named, published: wildcard }), ['keep', 'fresh'], 'it has more names');
});
