/** Why a file of HAProxy's is not adopted: the reason that the operator can act on. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { readPresentPem } from '../../../../lambda/adopt/haproxy/present-pem.ts';
import { createPki } from '../../../support/parts/pki.ts';

const pki = await createPki();
const stranger = await createPki('stranger');
const dayMs = 86_400_000;
const past = new Date(Date.now() - dayMs);
const [good, expired] = [
  await pki.issue({ names: ['a.test'] }),
  await pki.issue({ names: ['a.test'], notBefore: new Date(Date.now() - 9 * dayMs), notAfter: past }),
];
const missing = (saw: string) =>
  new RegExp(
    `^the intermediate certificate is missing: wanted the one of CN=pemfleet test intermediate, which issued a\\.test; saw ${saw}: put the intermediates of its CA behind`,
  );

for (const [file, text, why] of [
  ['in order', good.combined, undefined],
  ['with the root', good.combined.replace(good.keyPem, pki.rootPem + good.keyPem), undefined],
  ['expired', expired.combined, /^has expired \(20\S+Z\): renew it/],
  [
    'expired, without its intermediate',
    expired.leafPem + expired.keyPem,
    /^has expired \(20\S+Z\): renew it/,
  ],
  ['without an intermediate', good.leafPem + good.keyPem, missing('no certificate of a CA')],
  ['with the root alone', good.leafPem + pki.rootPem + good.keyPem, missing('CN=pemfleet test root')],
  [
    "with another CA's",
    good.leafPem + stranger.intermediatePem + good.keyPem,
    missing('CN=stranger intermediate'),
  ],
] as const) {
  test(`a file ${file}`, () => {
    const read = readPresentPem(text, new Date());

    if (why === undefined) assert.equal('text' in read && read.text, good.combined);
    else assert.match('why' in read ? read.why : 'adopted', why);
    assert.equal(read.leaf?.fingerprint256, new X509Certificate(text).fingerprint256);
  });
}
