// Binds that are not like the others: behind a load balancer, with client certificates, for IP addresses, with a
// certificate that is not the desired one. What a handshake failed on, each message says.
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { assertOk } from '../../../support/agent/assess.ts';
import { entryFor } from '../../../support/agent/publish.ts';
import { type Stage, stageOn } from '../../../support/agent/stage.ts';
import { type HaproxyVersion, haproxyVersions, startHaproxy } from '../../../support/parts/haproxy.ts';
import { createPki } from '../../../support/parts/pki.ts';
import { freePort } from '../../../support/ports.ts';
import { tempDir } from '../../../support/temp-dir.ts';

const GLOBAL = `global
  log stdout format raw local0
  stats socket "\${PEMFLEET_SOCKET}" mode 600 level admin
defaults
  mode http
  log global
  option httplog
  timeout connect 5s
  timeout client 5s
  timeout server 5s
`;
const OURS = `ssl crt "\${PEMFLEET_CERTS_DIR}" strict-sni`;
const BINDS = {
  plain: OURS,
  proxied: `${OURS} accept-proxy`,
  configured: `${OURS} accept-proxy`,
  mtls12: `${OURS} ca-file "\${DIR}/ca.pem" verify required ssl-max-ver TLSv1.2`,
  mtls13: `${OURS} ca-file "\${DIR}/ca.pem" verify required`,
  rsaOnly: `${OURS} ca-file "\${DIR}/ca.pem" verify required ssl-max-ver TLSv1.2 ciphers ECDHE-RSA-AES128-GCM-SHA256`,
  elsewhere: `ssl crt "\${DIR}/other" strict-sni`,
  short: `ssl crt "\${DIR}/short" strict-sni`,
  foreign: `ssl crt "\${DIR}/foreign" strict-sni`,
  http: '',
};
type BindName = keyof typeof BINDS;

interface Binds extends Stage {
  at(...names: BindName[]): string;
  /** A pass that proves on these binds; the state and the error of `shop`. */
  shopOn(
    ...addresses: string[]
  ): Promise<[state: string | undefined, code: string | undefined, message: string]>;
}

async function startBinds(t: TestContext, version: HaproxyVersion): Promise<Binds> {
  const dir = tempDir(t);
  const pki = await createPki();
  const issue = (...names: string[]) => pki.issue({ names });
  const shop = await issue('shop.test');
  const place = (folder: string, pem: string) => {
    mkdirSync(join(dir, folder));
    writeFileSync(join(dir, folder, 'x.pem'), pem);
  };
  place('other', (await issue('other.test')).combined);
  place('short', shop.leafPem + shop.keyPem);
  place('foreign', (await issue('shop.test')).combined);
  writeFileSync(join(dir, 'ca.pem'), pki.rootPem);
  const ports = new Map<string, number>();
  for (const name of Object.keys(BINDS)) ports.set(name, await freePort());
  const lines = Object.entries(BINDS).map(
    ([name, bind]) => `  bind 127.0.0.1:${ports.get(name)} name ${name} ${bind}\n`,
  );
  const configText = `${GLOBAL}frontend f\n${lines.join('')}  http-request return status 200\n`;
  const haproxy = await startHaproxy({
    version,
    configText,
    env: { DIR: dir },
    httpsPort: ports.get('plain') as number,
  });
  t.after(haproxy.stop);
  const stage = await stageOn(haproxy, dir);
  await stage.publishBytes('shop', shop.combined, entryFor(shop.combined, ['shop.test']));
  const at = (...names: BindName[]) => names.map((name) => `127.0.0.1:${ports.get(name)}`).join();
  const shopOn: Binds['shopOn'] = async (...addresses) => {
    await stage.pass(['--handshake', addresses.join(), '--retry', '']);
    const file = (await stage.status()).files.find((one) => one.file === 'shop.pem');
    return [file?.state, file?.error?.code, file?.error?.message ?? ''];
  };
  return { ...stage, at, shopOn };
}

for (const version of haproxyVersions) {
  test(`${version}: PROXY headers and client certificates do not keep a certificate from being proved`, async (t) => {
    const stage = await startBinds(t, version);
    await stage.publish('rsa', { names: ['rsa.test'], keyType: 'rsa-2048' });
    const complaints = (bind: string) =>
      stage.haproxy.log().split(`f/${bind}: Received something`).length - 1;
    const all = [stage.at('plain', 'proxied', 'mtls12', 'mtls13'), `proxy@${stage.at('configured')}`].join();

    assertOk(await stage.pass(['--handshake', all]));
    const probes = complaints('proxied');
    await stage.publish('rsa', { names: ['rsa.test'], keyType: 'rsa-2048' });
    assertOk(await stage.pass(['--handshake', all]));

    const { files, haproxy } = await stage.status();
    assert.deepEqual(
      files.map(({ handshakes }) => handshakes?.join()),
      [all, all],
    );
    assert.deepEqual(haproxy[0]?.['handshake'], all.split(','));
    assert.ok(probes > 0 && complaints('proxied') === probes, 'it finds out, and remembers');
    assert.equal(complaints('configured'), 0);
  });

  test(`${version}: what a handshake fails on, the status says`, async (t) => {
    const stage = await startBinds(t, version);
    const failures: [bind: BindName, code: string, message: RegExp][] = [
      ['rsaOnly', 'ERR_HANDSHAKE_REFUSED', /alert 40 handshake_failure.*no cipher.*in common/],
      ['elsewhere', 'ERR_HANDSHAKE_REFUSED', /alert 112 unrecognized_name.*no certificate for this name/],
      ['http', 'ERR_HANDSHAKE_REFUSED', /refused \((?!alert)/],
      ['short', 'ERR_HANDSHAKE_CHAIN', /wanted a chain of 2, saw 1/],
      ['foreign', 'ERR_HANDSHAKE_CERTIFICATE', /wanted serial [0-9A-F]+, saw [0-9A-F]+/],
    ];

    for (const [bind, code, message] of failures) {
      const [state, sawCode, saw] = await stage.shopOn(stage.at(bind));

      assert.deepEqual([bind, state, sawCode], [bind, 'failed', code]);
      assert.match(saw, message);
      assert.equal(/no certificate for this name/.test(saw), bind === 'elsewhere', saw);
    }
    assert.deepEqual(await stage.shopOn(stage.at('plain')), ['served', undefined, '']);
  });

  test(`${version}: a certificate for IP addresses is served where clients without SNI get it`, async (t) => {
    const dir = tempDir(t);
    const configFile = join(dir, 'haproxy.cfg');
    const lax = await freePort();
    const configure = (more = '') =>
      writeFileSync(
        configFile,
        `${GLOBAL}frontend f\n  bind "\${PEMFLEET_HTTPS_BIND}" ${OURS}\n${more}  http-request return status 200\n`,
      );
    configure();
    const haproxy = await startHaproxy({ version, configFile });
    t.after(haproxy.stop);
    const stage = await stageOn(haproxy, dir);
    await stage.publish('ip', { names: ['192.0.2.7', '2001:db8::7'] });
    await stage.publish('mixed', { names: ['192.0.2.8', 'mixed.test'] });
    const states = async () => (await stage.status()).files.map(({ state, error }) => error?.code ?? state);

    const strict = await stage.pass();
    const strictStates = await states();
    configure(
      `  bind 127.0.0.1:${lax} ssl crt "\${PEMFLEET_CERTS_DIR}/ip.pem" crt "\${PEMFLEET_CERTS_DIR}"\n`,
    );
    await haproxy.restart();
    const both = await stage.pass([
      '--handshake',
      `127.0.0.1:${haproxy.httpsPort},127.0.0.1:${lax}`,
      '--retry',
      '',
    ]);

    assert.equal(strict.code, 3);
    assert.deepEqual(strictStates, ['ERR_HANDSHAKE_REFUSED', 'served']);
    assert.match(strict.stderr, /certificate=ip .*without a name \(SNI\): saw no certificate.*strict-sni/);
    assertOk(both);
    assert.deepEqual(await states(), ['served', 'served']);
    assert.deepEqual((await stage.status()).files[0]?.handshakes, [`127.0.0.1:${lax}`]);
  });
}
