import assert from 'node:assert/strict';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { verify } from '#contract/combined-pem.ts';
import { createPki } from '../../support/parts/pki.ts';
import { stampedName, stamper } from '../../support/stamp.ts';

test('a leaf has the given names, dates, serial and key, and chains to the root', async () => {
  const pki = await createPki();
  const [notBefore, notAfter] = [new Date('2026-01-02T03:04:05Z'), new Date('2026-04-02T03:04:05Z')];
  const names = ['a.test', '*.a.test', '192.0.2.1'];

  const issued = await pki.issue({ names, notBefore, notAfter, serial: '0a1b', ocspUrl: 'http://ocsp.test' });

  const leaf = new X509Certificate(issued.leafPem);
  assert.equal(leaf.subjectAltName, 'DNS:a.test, DNS:*.a.test, IP Address:192.0.2.1');
  assert.deepEqual([new Date(leaf.validFrom), new Date(leaf.validTo)], [notBefore, notAfter]);
  assert.equal(leaf.serialNumber, '0A1B');
  assert.match(leaf.infoAccess ?? '', /OCSP - URI:http:\/\/ocsp.test/);
  assert.ok(leaf.checkPrivateKey(createPrivateKey(issued.keyPem)));
  const [intermediate, root] = [new X509Certificate(pki.intermediatePem), new X509Certificate(pki.rootPem)];
  assert.ok(leaf.checkIssued(intermediate) && leaf.verify(intermediate.publicKey));
  assert.ok(intermediate.checkIssued(root) && intermediate.verify(root.publicKey));
});

test('the combined PEM is leaf, intermediate, PKCS#8 key, without blank lines', async () => {
  const pki = await createPki();

  const { combined, leafPem, keyPem } = await pki.issue({ names: ['a.test'] });

  assert.equal(combined, leafPem + pki.intermediatePem + keyPem);
  assert.match(
    combined,
    /^(-----BEGIN CERTIFICATE-----\n[^-]+-----END CERTIFICATE-----\n){2}-----BEGIN PRIVATE KEY/,
  );
  assert.match(combined, /-----END PRIVATE KEY-----\n$/);
  assert.doesNotMatch(combined, /\r|\n\n|\n$(?!\n?$)/);
});

for (const [keyType, type, bits] of [
  ['ec-p256', 'ec', undefined],
  ['ec-p384', 'ec', undefined],
  ['rsa-2048', 'rsa', 2048],
  ['rsa-1024', 'rsa', 1024],
] as const) {
  test(`keys of type ${keyType}`, async () => {
    const pki = await createPki();

    const { leafPem } = await pki.issue({ names: ['a.test'], keyType });

    const { publicKey } = new X509Certificate(leafPem);
    assert.equal(publicKey.asymmetricKeyType, type);
    assert.equal(publicKey.asymmetricKeyDetails?.modulusLength, bits);
  });
}

test('stamped leaves: each with its own name and serial, as whole as an issued one', async () => {
  const pki = await createPki();
  const stamp = await stamper(pki);

  const pems = [0, 1, 99_999].map((index) =>
    verify(stamp(index), { identifiers: [stampedName(index)] }, new Date()),
  );

  assert.deepEqual(
    pems.map(({ leaf, chain }) => [leaf.subjectAltName, chain.length, leaf.serialNumber.length]),
    ['c00000', 'c00001', 'c99999'].map((name) => [`DNS:${name}.test`, 2, 16]),
  );
  assert.equal(new Set(pems.map(({ leaf }) => leaf.serialNumber)).size, 3);
});
