import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { handshake } from '../../support/handshake.ts';
import { haproxyVersions, startHaproxy } from '../../support/parts/haproxy.ts';
import { createPki } from '../../support/parts/pki.ts';
import { request } from '../../support/request.ts';
import { tempDir } from '../../support/temp-dir.ts';

for (const version of haproxyVersions) {
  test(`HAProxy ${version} starts with the shipped configuration and no certificate, and leaves nothing`, async (t) => {
    const haproxy = await startHaproxy({ version });
    t.after(haproxy.stop);

    assert.match(
      await haproxy.command('show info'),
      new RegExp(`^Version: ${version.replace('.', '\\.')}\\.`, 'm'),
    );
    assert.equal(statSync(haproxy.certsDir).mode & 0o777, 0o700);
    assert.equal(statSync(haproxy.socket).mode & 0o777, 0o660);
    assert.equal((await haproxy.command('show ssl crt-list')).trim(), haproxy.certsDir);
    await assert.rejects(handshake({ port: haproxy.httpsPort, servername: 'a.test' }));

    const pid = await haproxy.pid();
    await haproxy.stop();

    assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' });
    assert.equal(existsSync(dirname(haproxy.certsDir)), false);
  });

  test(`HAProxy ${version} passes challenges to the responder and redirects everything else`, async (t) => {
    const haproxy = await startHaproxy({ version, env: { PEMFLEET_RESPONDER: await startResponder(t) } });
    t.after(haproxy.stop);
    const get = (path: string, method = 'GET') =>
      request(`http://127.0.0.1:${haproxy.httpPort}${path}`, { method, headers: { host: 'a.test' } });

    const challenge = await get('/.well-known/acme-challenge/token-of-the-ca-in-base64url');
    const page = await get('/page?x=1');

    assert.deepEqual(
      [challenge.status, challenge.body],
      [200, 'GET a.test /.well-known/acme-challenge/token-of-the-ca-in-base64url'],
    );
    assert.deepEqual([page.status, page.headers.location], [301, 'https://a.test/page?x=1']);
    assert.equal((await get('/.well-known/acme-challenge/missing')).status, 404);
    assert.equal((await get('/.well-known/acme-challenge/token-of-the-ca-in-base64url', 'POST')).status, 405);
  });

  test(`HAProxy ${version} serves the certificate that was there at its start`, async (t) => {
    const dir = tempDir(t);
    const pki = await createPki();
    const { leafPem, combined } = await pki.issue({ names: ['a.test', '*.a.test'] });
    mkdirSync(join(dir, 'certs'));
    writeFileSync(join(dir, 'certs/a.pem'), combined);

    const haproxy = await startHaproxy({ version, workDir: dir });
    t.after(haproxy.stop);
    const served = await handshake({ port: haproxy.httpsPort, servername: 'a.test', ca: pki.rootPem });
    const page = await request(`https://127.0.0.1:${haproxy.httpsPort}/`, {
      ca: pki.rootPem,
      servername: 'b.a.test',
    });

    const leaf = new X509Certificate(leafPem);
    assert.equal(served.serial, leaf.serialNumber);
    assert.equal(served.fingerprint256, leaf.fingerprint256);
    assert.deepEqual([served.chainLength, served.authorized], [2, true]);
    assert.deepEqual(served.names, ['a.test', '*.a.test']);
    const shown = await haproxy.command(`show ssl cert ${join(haproxy.certsDir, 'a.pem')}`);
    assert.match(shown, new RegExp(`^SHA1 FingerPrint: ${served.fingerprintSha1}$`, 'm'));
    assert.equal(page.body, `pemfleet: b.a.test is served with certificate ${leaf.serialNumber}\n`);
  });

  test(`HAProxy ${version} reloads as a master with workers, and keeps the old worker when it cannot`, async (t) => {
    const haproxy = await startHaproxy({ version, masterWorker: true });
    t.after(haproxy.stop);
    const pki = await createPki();
    const first = await haproxy.pid();

    writeFileSync(join(haproxy.certsDir, 'a.pem'), (await pki.issue({ names: ['a.test'] })).combined);
    await haproxy.reload();
    const second = await haproxy.pid();
    writeFileSync(join(haproxy.certsDir, 'README'), 'not a PEM');
    await assert.rejects(haproxy.reload(), /refused reload/);

    assert.notEqual(second, first);
    assert.equal(await haproxy.pid(), second);
    const served = await handshake({ port: haproxy.httpsPort, servername: 'a.test', ca: pki.rootPem });
    assert.ok(served.authorized);
  });
}

test('a HAProxy that cannot start is an error with its log', async () => {
  const configText = 'global\n  no-such-keyword\n';

  await assert.rejects(startHaproxy({ version: '3.2', configText }), /no-such-keyword/);
});

async function startResponder(t: TestContext): Promise<string> {
  const server = createServer(({ method, url, headers }, response) => {
    response.statusCode = url?.endsWith('/missing') ? 404 : 200;
    response.end(`${method} ${headers.host} ${url}`);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}
