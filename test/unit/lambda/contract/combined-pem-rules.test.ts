/** The rules of `verify` that HAProxy does not check: key, chain, names, validity, digest. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DAY_MS } from '#common/time.ts';
import {
  canonicalIdentifier,
  digest,
  type ExpectedPem,
  namesOf,
  parse,
  verify,
} from '#contract/combined-pem.ts';
import { PemRejected } from '#contract/errors.ts';
import { base64Lines, certifyChain } from '../../../support/odd-certificates.ts';
import { createPki } from '../../../support/parts/pki.ts';

const now = new Date();
const inDays = (days: number) => new Date(now.getTime() + days * DAY_MS);

const [pki, foreign] = await Promise.all([createPki(), createPki()]);
const names = ['a.test', '*.a.test', '192.0.2.1', '2001:db8::1'];
const issued = await pki.issue({ names, serial: '0a1b' });
const { combined, leafPem, keyPem } = issued;
const sibling = await pki.issue({ names });
const [rsa, rsa1024, p384, plain] = await Promise.all([
  pki.issue({ names: ['a.test'], keyType: 'rsa-2048' }),
  pki.issue({ names: ['a.test'], keyType: 'rsa-1024' }),
  pki.issue({ names: ['a.test'], keyType: 'ec-p384' }),
  pki.issue({ names: ['a.test'] }),
]);
const [expired, early] = await Promise.all([
  pki.issue({ names: ['a.test'], notBefore: inDays(-90), notAfter: inDays(-1) }),
  pki.issue({ names: ['a.test'], notBefore: inDays(1), notAfter: inDays(90) }),
]);
const [oldIntermediate, caLeaf, quoted] = await Promise.all([
  certifyChain({ intermediate: { notBefore: inDays(-90), notAfter: inDays(-1) } }),
  certifyChain({ leaf: { isCa: true } }),
  certifyChain({ leaf: { dnsNames: ['x, DNS:good.test, y'] } }),
]);
/** Same names, and no key identifiers: only the signature distinguishes them. */
const [mine, theirs] = await Promise.all([certifyChain(), certifyChain()]);
const forged = mine.leaf.pem + theirs.intermediate.pem + mine.leaf.keyPem;
const a: ExpectedPem = { identifiers: ['a.test'] };

const ACCEPTED: [says: string, text: string, expected: ExpectedPem][] = [
  ['the name', combined, a],
  ['all of its names, in any order', combined, { identifiers: names.toReversed() }],
  ['a wildcard as such', combined, { identifiers: ['*.a.test'] }],
  ['an IPv4 address', combined, { identifiers: ['192.0.2.1'] }],
  ['an IPv6 address in any notation', combined, { identifiers: ['2001:0DB8:0:0:0:0:0:1'] }],
  ['a name in capitals', combined, { identifiers: ['A.TEST'] }],
  [
    'digest, serial and key type',
    combined,
    { ...a, sha256: digest(combined), serial: '0A1B', keyType: 'ec256' },
  ],
  ['an RSA key', rsa.combined, { ...a, keyType: 'rsa2048' }],
  ['a P-384 key', p384.combined, { ...a, keyType: 'ec384' }],
];

for (const [says, text, expected] of ACCEPTED) {
  test(`accepted: ${says}`, () => {
    const pem = verify(text, expected, now);

    assert.equal(pem.chain.length, 2);
  });
}

const { intermediatePem, rootPem } = pki;
const wrongDigest = { ...a, sha256: digest('another text') };
const REFUSED: [says: string, text: string, expected: ExpectedPem, code: string][] = [
  ['another digest than expected', combined, wrongDigest, 'ERR_PEM_DIGEST'],
  ['the key of another certificate', leafPem + intermediatePem + sibling.keyPem, a, 'ERR_PEM_KEY_MISMATCH'],
  ['a key of another kind', leafPem + intermediatePem + rsa.keyPem, a, 'ERR_PEM_KEY_MISMATCH'],
  ['RSA with 1024 bits', rsa1024.combined, a, 'ERR_PEM_KEY_WEAK'],
  ['another key type than expected', p384.combined, { ...a, keyType: 'ec256' }, 'ERR_PEM_KEY_TYPE'],
  ['the intermediate before the leaf', intermediatePem + leafPem + keyPem, a, 'ERR_PEM_KEY_MISMATCH'],
  [
    'an intermediate of the same name with another key',
    leafPem + foreign.intermediatePem + keyPem,
    a,
    'ERR_PEM_CHAIN',
  ],
  [
    'a chain with a foreign intermediate after the right one',
    leafPem + intermediatePem + foreign.intermediatePem + keyPem,
    a,
    'ERR_PEM_CHAIN',
  ],
  ['an intermediate that only the signature tells from the right one', forged, a, 'ERR_PEM_CHAIN'],
  ['the intermediate twice', leafPem + intermediatePem + intermediatePem + keyPem, a, 'ERR_PEM_CHAIN'],
  ['a second leaf in the chain', leafPem + intermediatePem + sibling.leafPem + keyPem, a, 'ERR_PEM_CHAIN'],
  ['the root at the end', leafPem + intermediatePem + rootPem + keyPem, a, 'ERR_PEM_CHAIN'],
  ['the root in place of the intermediate', leafPem + rootPem + keyPem, a, 'ERR_PEM_CHAIN'],
  ['the leaf alone', leafPem + keyPem, a, 'ERR_PEM_CHAIN'],
  ['a CA in place of a leaf', caLeaf.combined, a, 'ERR_PEM_CHAIN'],
  ['a name that is missing', combined, { identifiers: ['a.test', 'b.test'] }, 'ERR_PEM_NAMES'],
  ['a name that only the wildcard covers', combined, { identifiers: ['x.a.test'] }, 'ERR_PEM_NAMES'],
  ['a wildcard where only the name is', plain.combined, { identifiers: ['*.a.test'] }, 'ERR_PEM_NAMES'],
  ['another IPv4 address', combined, { identifiers: ['192.0.2.2'] }, 'ERR_PEM_NAMES'],
  ['another IPv6 address', combined, { identifiers: ['2001:db8::2'] }, 'ERR_PEM_NAMES'],
  ['a name within a name that has a comma', quoted.combined, { identifiers: ['good.test'] }, 'ERR_PEM_NAMES'],
  ['a name that stands only in the subject', caLeaf.combined, { identifiers: ['odd leaf'] }, 'ERR_PEM_CHAIN'],
  ['another serial than expected', combined, { ...a, serial: '0A1C' }, 'ERR_PEM_NAMES'],
  ['a leaf that has expired', expired.combined, a, 'ERR_PEM_VALIDITY'],
  ['a leaf that is not yet valid', early.combined, a, 'ERR_PEM_VALIDITY'],
  ['an intermediate that has expired', oldIntermediate.combined, a, 'ERR_PEM_VALIDITY'],
];

for (const [says, text, expected, code] of REFUSED) {
  test(`refused with ${code}: ${says}`, () => {
    const check = () => verify(text, expected, now);

    assert.throws(check, (error) => {
      assert.ok(error instanceof PemRejected);
      assert.equal(error.code, code);
      assert.deepEqual(
        base64Lines(text).filter((line) => `${error.stack}`.includes(line)),
        [],
      );
      return true;
    });
  });
}

test('validity begins with notBefore and ends before notAfter', () => {
  const { leaf } = parse(combined);
  const [from, to] = [new Date(leaf.validFrom), new Date(leaf.validTo)];
  const at = (time: Date, ms: number) => () => verify(combined, a, new Date(time.getTime() + ms));

  assert.doesNotThrow(at(from, 0));
  assert.throws(at(from, -1), { code: 'ERR_PEM_VALIDITY', message: /is the clock right/ });
  assert.doesNotThrow(at(to, -1));
  assert.throws(at(to, 0), { code: 'ERR_PEM_VALIDITY', message: /has expired/ });
});

test('the names of a certificate are identifiers, whatever Node makes of their notation', () => {
  assert.deepEqual(namesOf(parse(combined).leaf), names);
  assert.deepEqual(['2001:DB8:0::1', 'A.Test', '192.0.2.1'].map(canonicalIdentifier), [
    '2001:db8::1',
    'a.test',
    '192.0.2.1',
  ]);
});
