/** What a CA reads in our certification requests: `openssl req` and a library of others judge. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createPrivateKey, createPublicKey } from 'node:crypto';
import { test } from 'node:test';
import * as x509 from '@peculiar/x509';
import { certificationRequest } from '../../../../lambda/acme/csr.ts';
import { generateKey } from '../../../../lambda/order/key.ts';

function opensslReq(csr: Buffer): string {
  const args = ['req', '-inform', 'DER', '-verify', '-noout', '-text'];
  // Its verdict on the signature comes on standard error.
  return execFileSync('sh', ['-c', `openssl ${args.join(' ')} 2>&1`], { input: csr, encoding: 'utf8' });
}

for (const [keyType, algorithm] of [
  ['ec256', 'ecdsa-with-SHA256'],
  ['ec384', 'ecdsa-with-SHA384'],
  ['rsa2048', 'sha256WithRSAEncryption'],
] as const) {
  test(`${keyType}: signed by its key, which it names, with ${algorithm}`, async () => {
    const key = createPrivateKey(await generateKey(keyType));

    const csr = certificationRequest(['a.example.com'], key);

    const seen = opensslReq(csr);
    assert.match(seen, /self-signature verify OK/);
    assert.match(seen, new RegExp(`Signature Algorithm: ${algorithm}\\n`));
    const spki = createPublicKey(key).export({ type: 'spki', format: 'der' });
    assert.deepEqual(Buffer.from(new x509.Pkcs10CertificateRequest(csr).publicKey.rawData), spki);
  });
}

test('names and addresses are in the subjectAltName, the subject is empty', async () => {
  const names = ['*.example.com', 'xn--bcher-kva.example', '192.0.2.7', '2001:db8::7', '::ffff:192.0.2.8'];

  const csr = certificationRequest(names, createPrivateKey(await generateKey('ec256')));

  const read = new x509.Pkcs10CertificateRequest(csr);
  const { rawData } = read.getExtension('2.5.29.17') ?? assert.fail('no subjectAltName');
  const altNames = new x509.SubjectAlternativeNameExtension(rawData).names.toJSON();
  assert.equal(read.subject, '');
  assert.deepEqual(altNames, [
    { type: 'dns', value: '*.example.com' },
    { type: 'dns', value: 'xn--bcher-kva.example' },
    { type: 'ip', value: '192.0.2.7' },
    { type: 'ip', value: '2001:db8::7' },
    { type: 'ip', value: '::ffff:c000:208' },
  ]);
  assert.match(opensslReq(csr), /X509v3 Key Usage:\s+Digital Signature, Key Encipherment\n/);
});

test('a hundred names of the longest kind', async () => {
  const label = 'a'.repeat(63);
  const names = Array.from(
    { length: 100 },
    (_, index) => `${100 + index}.${label}.${label}.${label}.example.com`,
  );

  const csr = certificationRequest(names, createPrivateKey(await generateKey('ec384')));

  const seen = opensslReq(csr);
  assert.match(seen, /self-signature verify OK/);
  for (const name of names) assert.ok(seen.includes(`DNS:${name}`), name);
});
