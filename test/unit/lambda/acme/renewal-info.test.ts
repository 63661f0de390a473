import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import * as x509 from '@peculiar/x509';
import { certIdOf } from '../../../../lambda/acme/cert-id.ts';
import { createPki } from '../../../support/parts/pki.ts';

const EXAMPLE = `-----BEGIN CERTIFICATE-----
MIIBQzCB66ADAgECAgUAh2VDITAKBggqhkjOPQQDAjAVMRMwEQYDVQQDEwpFeGFt
cGxlIENBMCIYDzAwMDEwMTAxMDAwMDAwWhgPMDAwMTAxMDEwMDAwMDBaMBYxFDAS
BgNVBAMTC2V4YW1wbGUuY29tMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEeBZu
7cbpAYNXZLbbh8rNIzuOoqOOtmxA1v7cRm//AwyMwWxyHz4zfwmBhcSrf47NUAFf
qzLQ2PPQxdTXREYEnKMjMCEwHwYDVR0jBBgwFoAUaYhba4dGQEHhs3uEe6CuLN4B
yNQwCgYIKoZIzj0EAwIDRwAwRAIge09+S5TZAlw5tgtiVvuERV6cT4mfutXIlwTb
+FYN/8oCIClDsqBklhB9KAelFiYt9+6FDj3z4KGVelYM5MdsO3pK
-----END CERTIFICATE-----
`;

test('RFC 9773 §4.1: certID of the example certificate of appendix A', () => {
  assert.equal(certIdOf(new X509Certificate(EXAMPLE)), 'aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE');
});

const pki = await createPki();

for (const [serial, encoded] of [
  ['01', 'AQ'],
  ['7f', 'fw'],
  ['0080', 'AIA'],
  ['00ff00ff', 'AP8A_w'],
  ['7fffffffffffffffffffffffffffffffffffffff', 'f_________________________8'],
] as const) {
  test(`RFC 9773 §4.1: the serial ${serial} keeps its leading zero`, async () => {
    const leaf = new X509Certificate((await pki.issue({ names: ['a.test'], serial })).leafPem);

    const [authorityKey, encodedSerial] = certIdOf(leaf)?.split('.') ?? [];

    assert.equal(encodedSerial, encoded);
    const extension = new x509.X509Certificate(leaf.toString()).getExtension(
      x509.AuthorityKeyIdentifierExtension,
    );
    assert.equal(authorityKey, Buffer.from(extension?.keyId ?? '', 'hex').toString('base64url'));
  });
}

test('a certificate of many names and extensions has its certID too', async () => {
  const names = Array.from({ length: 100 }, (_, index) => `a-rather-long-name-${index}.example.com`);
  const leaf = new X509Certificate(
    (await pki.issue({ names, serial: '0a', ocspUrl: 'http://ocsp.test' })).leafPem,
  );

  assert.match(certIdOf(leaf) ?? '', /^[\w-]{27}\.Cg$/);
});

test('a certificate without an authority key identifier has no certID', async () => {
  const keys = await x509.cryptoProvider
    .get()
    .subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify']);
  const bare = await x509.X509CertificateGenerator.createSelfSigned({ name: 'CN=bare', keys });

  assert.equal(certIdOf(new X509Certificate(bare.toString('pem'))), undefined);
});
