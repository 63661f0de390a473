// Binds that are not like the others: behind a load balancer, with client certificates, for IP addresses, with a
// certificate that is not the desired one. What a handshake failed on, each message says.
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { FileStatus } from '#contract/host-status.ts';
import { assertOk } from '../../../support/agent/assess.ts';
import { entryFor } from '../../../support/agent/publish.ts';
import { type Stage, stageOn } from '../../../support/agent/stage.ts';
import { type HaproxyVersion, startHaproxy } from '../../../support/parts/haproxy.ts';
import { createPki } from '../../../support/parts/pki.ts';
import { testedVersions } from '../../../support/parts/versions.ts';
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
  tls11: `${OURS} ssl-min-ver TLSv1.0 ssl-max-ver TLSv1.1 ciphers ALL:@SECLEVEL=0`,
  elsewhere: `ssl crt "\${DIR}/other" strict-sni`,
  short: `ssl crt "\${DIR}/short" strict-sni`,
  foreign: `ssl crt "\${DIR}/foreign" strict-sni`,
  http: '',
};
const SOCKETS = {
  unix: `unix@"\${DIR}/tls.sock" ${OURS}`,
  proxiedUnix: `unix@"\${DIR}/proxied.sock" ${OURS} accept-proxy`,
  abns: `"abns@\${NAME}" ${OURS}`,
  /** RFC 5737: it is nobody's. */
  away: `203.0.113.9:443 transparent ${OURS}`,
};
type BindName = keyof typeof BINDS;

/** Binds that hand out a file that is not ours. */
const FILES = { short: 1, foreign: 1 };

interface Binds extends Stage {
  /** As `haproxy.handshake` names them. */
  sockets: Record<'unix' | 'proxiedUnix' | 'abns', string>;
  /** Of `shop`, as the last pass has reported it. */
  shop(): Promise<FileStatus>;
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
  for (const bind of Object.values(SOCKETS)) lines.push(`  bind ${bind}\n`);
  const configText = `${GLOBAL}frontend f\n${lines.join('')}  http-request return status 200\n`;
  const haproxy = await startHaproxy({
    version,
    configText,
    env: { DIR: dir, NAME: `pemfleet-${ports.get('plain')}` },
    httpsPort: ports.get('plain') as number,
  });
  t.after(haproxy.stop);
  const stage = await stageOn(haproxy, dir);
  await stage.publishBytes('shop', shop.combined, entryFor(shop.combined, ['shop.test']));
  const at = (...names: BindName[]) => names.map((name) => `127.0.0.1:${ports.get(name)}`).join();
  const shopStatus = async () => {
    const file = (await stage.status()).files.find((one) => one.file === 'shop.pem');
    assert.ok(file);
    return file;
  };
  const shopOn: Binds['shopOn'] = async (...addresses) => {
    await stage.pass(['--handshake', addresses.join(), '--retry', '']);
    const { state, error } = await shopStatus();
    return [state, error?.code, error?.message ?? ''];
  };
  const sockets = {
    unix: `unix@${dir}/tls.sock`,
    proxiedUnix: `proxy@unix@${dir}/proxied.sock`,
    abns: `abns@pemfleet-${ports.get('plain')}`,
  };
  return { ...stage, at, sockets, shop: shopStatus, shopOn };
}

for (const version of testedVersions()) {
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
      [
        'short',
        'ERR_HANDSHAKE_CHAIN',
        /wanted a chain of 2, saw 1;.* in each of 20 handshakes; HAProxy has it as .*\/short\/x\.pem/,
      ],
      [
        'foreign',
        'ERR_HANDSHAKE_CERTIFICATE',
        /wanted serial [0-9A-F]+, saw [0-9A-F]+; issued by CN=.*; in each of 20 handshakes; HAProxy has it as .*\/foreign\/x\.pem/,
      ],
    ];

    for (const [bind, code, message] of failures) {
      const [state, sawCode, saw] = await stage.shopOn(stage.at(bind));

      assert.deepEqual([bind, state, sawCode], [bind, 'failed', code]);
      assert.match(saw, message);
      assert.equal(/no certificate for this name/.test(saw), bind === 'elsewhere', saw);
      const { wire } = await stage.shop();
      const isNamed = !['rsaOnly', 'http'].includes(bind);
      const { address, name, wrong, samples } = wire ?? {};
      const wanted = isNamed ? [stage.at(bind), 'shop.test', 20, 20] : Array(4).fill(undefined);
      assert.deepEqual([address, name, wrong, samples], wanted);
      assert.equal(wire?.file?.split('/').at(-2), bind in FILES ? bind : undefined);
      assert.equal(wire?.serial !== undefined, bind in FILES);
    }
    assert.deepEqual(await stage.shopOn(stage.at('plain')), ['served', undefined, '']);
    assert.equal((await stage.shop()).wire, undefined);
  });

  test(`${version}: sockets and old TLS are proved; an address that is not here, and a bind for the other kind of key, are told`, async (t) => {
    const stage = await startBinds(t, version);
    const { unix, proxiedUnix, abns } = stage.sockets;
    const reached = [stage.at('plain', 'tls11'), unix, proxiedUnix, abns].join();
    const away = '203.0.113.9:443';
    const rows: [addresses: string, proved: string, reason: string | undefined, message: RegExp][] = [
      [reached, reached, undefined, /^$/],
      [
        `${away},${reached}`,
        reached,
        'not-here',
        /^203\.0\.113\.9:443: 203\.0\.113\.9 is no address of this machine/,
      ],
      [away, '', 'not-here', /another host/],
      [`proxy@${away}`, '', 'not-here', /no address of this machine/],
      [
        stage.at('plain', 'rsaOnly'),
        stage.at('plain'),
        'no-common-cipher',
        /alert 40: .*another bind hands it out/,
      ],
      ['', '', 'no-handshake-configured', /haproxy\.handshake is \[\]/],
    ];

    for (const [addresses, proved, reason, message] of rows) {
      const saw = await stage.shopOn(addresses);

      const { handshakes, unproven, runtime, wanted } = await stage.shop();
      assert.deepEqual([addresses, ...saw], [addresses, 'served', undefined, '']);
      assert.deepEqual([handshakes?.join(), unproven?.reason], [proved, reason]);
      assert.match(unproven?.message ?? '', message);
      assert.equal(runtime?.serial, wanted.serial, 'as HAProxy shows it');
    }
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
