/** What was bought goes round the loop: imported, installed and proved by the agent in a real HAProxy, alarmed before its end, renewed by import. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { DAY_MS } from '#common/time.ts';
import { handshake } from '../../support/handshake.ts';
import { makePkcs12 } from '../../support/issuer/pkcs12.ts';
import { certify } from '../../support/odd-certificates.ts';
import { createPki } from '../../support/parts/pki.ts';
import { startScene } from '../../support/proof/scene.ts';
import { tempDir } from '../../support/temp-dir.ts';

const inDays = (days: number) => new Date(Date.now() + days * DAY_MS);

test('an imported certificate goes round the loop: proved by HAProxy, told before its end, followed by the next one', async (t) => {
  const pki = await createPki();
  const certificates = [
    { name: 'shop', imported: true, identifiers: ['shop.test'], fleets: ['edge'] },
    { name: 'house', imported: true, identifiers: ['intranet'], fleets: ['edge'] },
  ];
  const { issuer, hosts, stop } = await startScene({ version: '3.2', fleets: ['edge'], certificates });
  t.after(stop);
  const dir = tempDir(t);
  const [host] = hosts;
  assert.ok(host);
  const file = (name: string, body: string | Buffer) => {
    writeFileSync(join(dir, name), body, { mode: 0o600 });
    return join(dir, name);
  };
  const served = async (servername: string) =>
    (await handshake({ port: host.haproxy.httpsPort, servername })).serial;
  const serialOf = (stdout: string) => JSON.parse(stdout).certificates[0].serial;
  const ending = await pki.issue({ names: ['shop.test'], notAfter: inDays(12) });
  const next = await pki.issue({ names: ['shop.test', 'www.shop.test'], notAfter: inDays(390) });
  const root = await certify({ subject: 'CN=house root', isCa: true });
  const house = await certify({
    ...{ subject: 'CN=intranet', issuer: root, dnsNames: ['intranet'] },
    notAfter: inDays(300),
  });

  const first = await issuer.command(['import', '--json', file('1', ending.combined)]);
  assert.equal(first.status, 0, first.stderr);
  const second = await issuer.command([
    ...['import', '--json', file('2', root.pem + house.pem), file('3', house.keyPem)],
  ]);
  assert.equal(second.status, 0, second.stderr);
  await host.pass();
  await host.pass();

  assert.equal(await served('shop.test'), serialOf(first.stdout));
  assert.equal(await served('intranet'), serialOf(second.stdout));
  const before = await issuer.command(['status', '--json']);
  assert.deepEqual(
    JSON.parse(before.stdout).problems.map(({ code, certificate }: Record<string, string>) => [
      code,
      certificate,
    ]),
    [['ending', 'shop']],
    'the one without an intermediate is installed and proved, too',
  );

  const word = file('word', 'geheim\n');
  const pfx = file('next.pfx', makePkcs12(dir, next.combined, { passphrase: 'geheim', legacy: true }));
  const third = await issuer.command(['import', '--json', pfx, '--passphrase-file', word]);
  assert.equal(third.status, 0, third.stderr);
  await host.pass();

  assert.equal(await served('www.shop.test'), serialOf(third.stdout));
  const { outcomes } = await issuer.pass();
  assert.deepEqual(
    outcomes.map(({ certificate, result, reason }) => [certificate, result, reason]),
    [
      ['shop', 'kept', 'imported'],
      ['house', 'kept', 'imported'],
    ],
  );
  const after = await issuer.command(['status', '--json']);
  assert.deepEqual(JSON.parse(after.stdout).problems, []);
});
