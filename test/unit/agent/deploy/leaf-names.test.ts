import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { test } from 'node:test';
import { leafNamesOf, parse } from '#contract/combined-pem.ts';
import { chainIn, leafNamesIn } from '../../../../agent/deploy/leaf-names.ts';
import { wantedChainOf } from '../../../../agent/proof/wanted-chain.ts';
import { certifyChain } from '../../../support/odd-certificates.ts';
import { createPki } from '../../../support/parts/pki.ts';

const subjects = ['CN=Shop.test', 'CN=Example Inc.', 'O=Example, CN=a.test, CN=b.test', 'O=nobody'];
const nameSets = [[], ['a.test'], ['*.A.test', 'xn--bcher-kva.test', 'a.test', 'a.test']];

test('the names of a leaf are those that Node finds, for each kind of subject and subjectAltName', async () => {
  for (const subject of subjects) {
    for (const dnsNames of nameSets) {
      const { combined } = await certifyChain({ leaf: { subject, dnsNames } });
      assert.deepEqual(leafNamesIn(Buffer.from(combined)), leafNamesOf(new X509Certificate(combined)));
    }
  }
});

test('IP addresses are no names that HAProxy finds a certificate by', async () => {
  const pki = await createPki();
  const many = Array.from({ length: 100 }, (_, index) => `n${index}.test`);
  const { combined, keyPem } = await pki.issue({ names: ['192.0.2.1', '2001:db8::1', ...many] });
  const names = leafNamesOf(new X509Certificate(combined)).filter((name) => isIP(name) === 0);

  assert.deepEqual(leafNamesIn(Buffer.from(combined)), names);
  assert.deepEqual(leafNamesIn(Buffer.from(keyPem + combined)), names, 'the key may come first');
});

test('what a handshake is to show is what Node finds, serial numbers of all kinds included; for IP addresses alone Node is asked', async () => {
  for (const serialNumber of ['01', '7f01', '00ff01', '0a', undefined]) {
    const leaf = { dnsNames: ['*.A.test', 'b.test'], ...(serialNumber !== undefined && { serialNumber }) };
    const { combined } = await certifyChain({ leaf });
    assert.deepEqual(chainIn(Buffer.from(combined)), wantedChainOf(parse(combined)), serialNumber);
  }
  const pki = await createPki();
  const { combined } = await pki.issue({ names: ['192.0.2.1'] });
  assert.equal(chainIn(Buffer.from(combined)), undefined);
  assert.equal(wantedChainOf(parse(combined)).isForAddresses, true);
});

test('a name that no client can ask for is none', async () => {
  const dnsNames = ['a.test', `${'x'.repeat(256)}.test`, 'b.test\u0007'];
  const { combined } = await certifyChain({ leaf: { dnsNames } });

  assert.deepEqual(leafNamesIn(Buffer.from(combined)), ['a.test']);
});

test('what cannot be read has no names, and stops nothing', async () => {
  const { combined } = await certifyChain();
  const [begin, end] = ['-----BEGIN CERTIFICATE-----', '-----END CERTIFICATE-----'];
  const lines = combined.split('\n');

  for (const text of ['', 'x', begin, end + begin, `${begin}\n${end}`, `${begin}\nMIIB\n${end}`]) {
    assert.deepEqual(leafNamesIn(Buffer.from(text)), [], text);
  }
  for (let cut = 1; cut < 8; cut += 1) {
    const shorter = [...lines.slice(0, cut), ...lines.slice(cut + 1)].join('\n');
    assert.ok(Array.isArray(leafNamesIn(Buffer.from(shorter))));
  }
});
