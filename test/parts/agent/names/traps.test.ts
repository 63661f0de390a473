// Names are strings to HAProxy: however a configuration spells our directory, its files are found, added and updated.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { assertOk } from '../../../support/agent/assess.ts';
import { byList, byStore, twoBinds } from '../../../support/agent/configs.ts';
import { serialOf } from '../../../support/agent/publish.ts';
import { makeStage, type Stage } from '../../../support/agent/stage.ts';
import { makeWorkDir } from '../../../support/agent/work-dir.ts';
import { createPki } from '../../../support/parts/pki.ts';
import { testedVersions } from '../../../support/parts/versions.ts';

/** New, renewed, removed; on both binds. */
async function assertWorks(stage: Stage, ...args: string[]): Promise<void> {
  const { httpsPort, httpPort } = stage.haproxy;
  const flags = ['--handshake', `127.0.0.1:${httpsPort},127.0.0.1:${httpPort}`, ...args];
  for (const step of ['new', 'renewed']) {
    const pem = await stage.publish('shop', { names: ['shop.test'] });
    assertOk(await stage.pass(flags));
    assert.equal((await stage.handshake('shop.test')).serial, serialOf(pem), step);
  }
  assert.equal((await stage.status()).files[0]?.handshakes?.length, 2);
  await stage.withdraw('shop');
  assertOk(await stage.pass(flags));
  assert.doesNotMatch(await stage.haproxy.command('show ssl cert'), /shop/);
}

for (const version of testedVersions()) {
  test(`${version}: crt DIR/ and crt DIR//: "add ssl crt-list" wants the directory without its slash, and one slash before the file`, async (t) => {
    const { workDir, certs } = makeWorkDir(t);
    const binds = twoBinds(`crt ${certs}/ strict-sni`, `crt ${certs}// strict-sni`);
    const stage = await makeStage(t, { version, workDir, configText: binds });

    await assertWorks(stage);
    await assertWorks(stage, '--certs-dir', `${certs}/`);
  });

  test(`${version}: crt DIR/../DIR and a relative name below crt-base are our directory, too`, async (t) => {
    const { workDir, certs } = makeWorkDir(t);
    const binds = twoBinds(`crt ${certs}/../certs strict-sni`, 'crt . strict-sni');
    const configText = binds.replace('global\n', `global\n  crt-base ${certs}\n`);

    await assertWorks(await makeStage(t, { version, workDir, configText }));
  });

  test(`${version}: a directory with spaces and other signs in its name`, async (t) => {
    const { workDir } = makeWorkDir(t);
    const certs = join(workDir, 'my certs+@,é');
    mkdirSync(certs);
    const binds = twoBinds(`crt "${certs}" strict-sni`, `crt "${certs}" strict-sni`);
    const stage = await makeStage(t, { version, workDir, configText: binds });

    await assertWorks(stage, '--certs-dir', certs);
  });

  test(`${version}: a file with blank lines and CR LF that HAProxy has loaded: what it refuses brings it back, byte for byte`, async (t) => {
    const { workDir, certs } = makeWorkDir(t);
    const openssl = join(workDir, 'openssl.cnf');
    const strict = ['openssl_conf = o', '[o]', 'ssl_conf = s', '[s]', 'system_default = d', '[d]'];
    writeFileSync(openssl, [...strict, 'CipherString = DEFAULT@SECLEVEL=3', ''].join('\n'));
    const { combined } = await (await createPki()).issue({ names: ['shop.test'] });
    const theirs = combined.replaceAll('-----BEGIN', '\n-----BEGIN').replaceAll('\n', '\r\n');
    writeFileSync(join(certs, 'shop.pem'), theirs, { mode: 0o600 });
    const stage = await makeStage(t, { version, workDir, env: { OPENSSL_CONF: openssl } });
    await stage.publish('shop', { names: ['shop.test'], keyType: 'rsa-2048' });
    await stage.adopt('shop.pem');

    const refused = await stage.pass();

    assert.match(refused.stderr, /event=certificate\.failed .*code=ERR_RUNTIME_REFUSED/);
    assert.equal(readFileSync(join(certs, 'shop.pem'), 'utf8'), theirs);
    const seen = await stage.handshake('shop.test');
    assert.deepEqual([seen.serial, seen.chainLength], [serialOf(combined), 2]);
    const pem = await stage.publish('shop', { names: ['shop.test'] });
    assertOk(await stage.pass());
    assert.equal((await stage.handshake('shop.test')).serial, serialOf(pem));
  });
}

for (const version of ['3.0', '3.2', '3.4'] as const) {
  test(`${version}: crt-store: an alias is left alone, and named; the file is there for the next reload`, async (t) => {
    const { workDir, certs } = makeWorkDir(t);
    const { combined } = await (await createPki()).issue({ names: ['shop.test'] });
    writeFileSync(join(certs, 'shop.pem'), combined);
    const stage = await makeStage(t, { version, workDir, configText: byStore(certs) });
    const pem = await stage.publish('shop', { names: ['shop.test'] });
    await stage.adopt('shop.pem');

    const result = await stage.pass();

    assert.equal(result.code, 3, result.stderr);
    const [file] = (await stage.status()).files;
    assert.deepEqual([file?.state, file?.error?.code], ['needs-reload', 'ERR_RUNTIME_CRT_LIST']);
    assert.match(
      file?.error?.message ?? '',
      /from a crt-store \(@web\/site\), whose aliases the agent leaves alone/,
    );
    assert.equal((await stage.handshake('shop.test')).serial, serialOf(combined));
    assert.equal(stage.pem('shop'), pem);
    await stage.haproxy.restart();
    assert.equal((await stage.handshake('shop.test')).serial, serialOf(pem));
  });

  test(`${version}: crt-store: a line @store/alias of a crt-list is kept, and ours work beside it`, async (t) => {
    const { workDir, certs } = makeWorkDir(t);
    const list = join(certs, 'list.txt');
    const { combined } = await (await createPki()).issue({ names: ['site.test'] });
    writeFileSync(join(workDir, 'site.pem'), combined);
    writeFileSync(list, '@web/site\n');
    const store = `crt-store web\n  crt-base ${workDir}\n  load crt site.pem alias site\nfrontend`;
    const stage = await makeStage(t, {
      version,
      workDir,
      configText: byList(list).replace('frontend', store),
    });
    stage.flags.push('--crt-list-file', list);
    await stage.publish('shop', { names: ['shop.test'] });
    assertOk(await stage.pass());
    const pem = await stage.publish('shop', { names: ['shop.test'] });

    assertOk(await stage.pass());

    assert.equal((await stage.handshake('shop.test')).serial, serialOf(pem));
    assert.equal((await stage.handshake('site.test')).serial, serialOf(combined));
    assert.equal(readFileSync(list, 'utf8'), `@web/site\n${certs}/shop.pem\n`);
  });
}
