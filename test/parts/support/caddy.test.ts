import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { setEnv } from '../../support/env.ts';
import { issueByDns } from '../../support/issue-by-dns.ts';
import { startCaddy } from '../../support/parts/caddy.ts';
import { request } from '../../support/request.ts';

test("Caddy's CA issues for names that its DNS knows, for as long as a test wants, with a DNS and a port 80 of its own", async (t) => {
  const [caddy, other] = await Promise.all([startCaddy({ lifetime: '6h' }), startCaddy()]);
  t.after(() => Promise.all([caddy.stop(), other.stop()]));

  const certificates = await issueByDns(caddy, ['a.test', '*.a.test'], ({ name, value }) =>
    caddy.dns.manage('set-txt', { host: name, value }),
  );

  const [leaf, intermediate] = certificates.map((pem) => new X509Certificate(pem));
  const root = new X509Certificate(await caddy.rootPem());
  assert.ok(leaf && intermediate?.verify(root.publicKey) && leaf.verify(intermediate.publicKey));
  // backdated by a minute
  assert.equal((Date.parse(leaf.validTo) - Date.parse(leaf.validFrom)) / 60_000, 6 * 60 + 1);
  assert.notEqual(await other.rootPem(), await caddy.rootPem());
  assert.equal((await request(other.directoryUrl, { ca: other.ca })).status, 200);
});

test('where Caddy cannot have a network namespace, the error says what it takes', async (t) => {
  t.after(setEnv({ PATH: '/nowhere' }));

  await assert.rejects(startCaddy(), /network namespace of its own: run as root, or allow user namespaces/);
});
