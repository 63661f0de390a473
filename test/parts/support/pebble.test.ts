import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { issueByDns } from '../../support/issue-by-dns.ts';
import { startDns } from '../../support/parts/dns.ts';
import { startPebble } from '../../support/parts/pebble.ts';
import { request } from '../../support/request.ts';

test('Pebble answers its directory, over TLS of its own CA only', async (t) => {
  const pebble = await startPebble();
  t.after(pebble.stop);

  const { status, body } = await request(pebble.directoryUrl, { ca: readFileSync(pebble.caFile, 'utf8') });

  assert.equal(status, 200);
  const directory = JSON.parse(body);
  assert.ok(directory.newOrder && directory.renewalInfo);
  assert.deepEqual(Object.keys(directory.meta.profiles), ['default']);
  await assert.rejects(request(pebble.directoryUrl), /unable to get local issuer/);
});

test('Pebble issues for names that DNS knows, and tells and takes what a test wants', async (t) => {
  const dns = await startDns();
  t.after(dns.stop);
  const pebble = await startPebble({ dnsServer: dns.address, chainLength: 2 });
  t.after(pebble.stop);

  const certificates = await issueByDns(pebble, ['a.test'], ({ name, value }) =>
    dns.manage('set-txt', { host: name, value }),
  );

  assert.equal(certificates.length, 3);
  const leaf = new X509Certificate(certificates[0] as string);
  const top = new X509Certificate(certificates[2] as string);
  assert.ok(top.verify(new X509Certificate(await pebble.rootPem()).publicKey));
  assert.equal(Math.round((Date.parse(leaf.validTo) - Date.parse(leaf.validFrom)) / 86_400_000), 90);
  assert.equal((await pebble.certStatusBySerial(leaf.serialNumber)).Status, 'Valid');
  await pebble.setRenewalInfo(certificates[0] as string, 'not even JSON');
  await assert.rejects(pebble.setRenewalInfo('no certificate', {}), /set-renewal-info/);
});
