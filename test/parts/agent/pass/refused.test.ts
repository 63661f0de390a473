// What HAProxy cannot or will not take at run time, and what it hands out instead.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { actionsOf, assertOk } from '../../../support/agent/assess.ts';
import { patient, twoBinds, withSmallPayloads } from '../../../support/agent/configs.ts';
import { serialOf } from '../../../support/agent/publish.ts';
import { makeStage } from '../../../support/agent/stage.ts';
import { strictOpenssl } from '../../../support/agent/strict-openssl.ts';
import { testedVersions } from '../../../support/parts/versions.ts';

/** HAProxy knows the directory by two names. */
const twoNames = twoBinds(
  `crt "\${PEMFLEET_CERTS_DIR}" strict-sni`,
  `crt "\${PEMFLEET_CERTS_DIR}/./" strict-sni`,
);

for (const version of testedVersions()) {
  test(`${version}: a certificate larger than one command is installed and waits for a reload, which serves it`, async (t) => {
    const stage = await makeStage(t, { version, configText: withSmallPayloads(patient(10), version) });
    const small = await stage.publish('shop', { names: ['shop.test'] });
    assertOk(await stage.pass());
    const names = ['shop.test', ...Array.from({ length: 800 }, (_, index) => `name-${index}.shop.test`)];
    const large = await stage.publish('shop', { names });

    const tooLarge = await stage.pass();
    const again = await stage.pass(['--json']);

    assert.ok(Buffer.byteLength(large) > 16_384);
    assert.equal(tooLarge.code, 3, tooLarge.stderr);
    assert.match(tooLarge.stderr, /event=certificate\.needs-reload .*code=ERR_RUNTIME_PAYLOAD_SIZE/);
    assert.deepEqual(actionsOf(again), [['shop.pem', 'needs-reload']]);
    assert.equal((await stage.status()).files[0]?.error?.code, 'ERR_RUNTIME_PAYLOAD_SIZE');
    assert.equal(stage.pem('shop'), large);
    assert.equal((await stage.handshake('shop.test')).serial, serialOf(small));

    await stage.haproxy.restart();
    assertOk(await stage.pass());

    assert.equal((await stage.handshake('name-7.shop.test')).serial, serialOf(large));
    assert.deepEqual(stage.files(), ['shop.pem']);
  });

  test(`${version}: what HAProxy refuses is taken back also when an earlier pass could not reach HAProxy`, async (t) => {
    const stage = await makeStage(t, { version, env: { OPENSSL_CONF: strictOpenssl(t) } });
    const good = await stage.publish('shop', { names: ['shop.test'] });
    assertOk(await stage.pass());
    await stage.publish('shop', { names: ['shop.test'], keyType: 'rsa-2048' });
    await stage.pass(['--stats-socket', `${stage.haproxy.socket}.moved`]);

    const refused = await stage.pass();

    assert.equal(stage.pem('shop'), good, refused.stderr);
    assert.deepEqual(stage.files(), ['shop.pem']);
    await stage.haproxy.restart();
    assert.equal((await stage.handshake('shop.test')).serial, serialOf(good));
  });

  test(`${version}: what HAProxy refuses is taken back, on disk and at run time, and not tried for ever`, async (t) => {
    const stage = await makeStage(t, { version, env: { OPENSSL_CONF: strictOpenssl(t) } });
    const good = await stage.publish('shop', { names: ['shop.test'] });
    assertOk(await stage.pass());
    const weak = await stage.publish('shop', { names: ['shop.test'], keyType: 'rsa-2048' });
    await stage.publish('new', { names: ['new.test'], keyType: 'rsa-2048' });
    await stage.publish('other', { names: ['other.test'] });

    const refused = await stage.pass();
    const again = await stage.pass(['--json']);
    const retried = await stage.pass(['--retry', '--json']);

    assert.equal(refused.code, 3, refused.stderr);
    assert.deepEqual(actionsOf(again), [
      ['new.pem', 'backed-off'],
      ['other.pem', 'keep'],
      ['shop.pem', 'backed-off'],
    ]);
    assert.deepEqual(actionsOf(retried), [
      ['new.pem', 'install'],
      ['other.pem', 'keep'],
      ['shop.pem', 'update'],
    ]);
    assert.notEqual(weak, good);
    assert.equal(stage.pem('shop'), good);
    assert.deepEqual(stage.files(), ['other.pem', 'shop.pem']);
    assert.equal((await stage.handshake('shop.test')).serial, serialOf(good));
    assert.equal((await stage.haproxy.command('show ssl cert')).includes('new.pem'), false);
    const failures = (await stage.status()).files.map(({ file, state, error }) => [file, state, error?.code]);
    assert.deepEqual(failures, [
      ['new.pem', 'failed', 'ERR_RUNTIME_REFUSED'],
      ['other.pem', 'served', undefined],
      ['shop.pem', 'failed', 'ERR_RUNTIME_REFUSED'],
    ]);
    await stage.haproxy.restart();
    assert.equal((await stage.handshake('shop.test')).serial, serialOf(good));

    await stage.withdraw('new');
    const next = await stage.publish('shop', { names: ['shop.test'] });
    assertOk(await stage.pass());
    assert.equal((await stage.handshake('shop.test')).serial, serialOf(next));
  });

  test(`${version}: one directory under two names is two copies: both are kept fresh`, async (t) => {
    const stage = await makeStage(t, { version, configText: twoNames });
    const [a, b] = [stage.haproxy.httpsPort, stage.haproxy.httpPort];
    const flags = ['--handshake', `127.0.0.1:${a},127.0.0.1:${b}`];
    await stage.publish('shop', { names: ['shop.test'] });
    assertOk(await stage.pass(flags));
    const pem = await stage.publish('shop', { names: ['shop.test'] });

    assertOk(await stage.pass(flags));

    assert.deepEqual((await stage.status()).files[0]?.handshakes, [`127.0.0.1:${a}`, `127.0.0.1:${b}`]);
    const shown = await stage.haproxy.command(`show ssl cert ${stage.haproxy.certsDir}/./shop.pem`);
    assert.match(shown, new RegExp(`Serial: ${serialOf(pem)}`));
  });

  test(`${version}: a name that another file has too: the handshake tells what is really served`, async (t) => {
    const stage = await makeStage(t, { version });
    await stage.publish('first', { names: ['shop.test'] });
    assertOk(await stage.pass());
    await stage.publish('second', { names: ['shop.test'], notBefore: new Date('2026-01-01') });

    const overlapping = await stage.pass();

    assert.equal(overlapping.code, 3, overlapping.stderr);
    const [first, second] = (await stage.status()).files;
    assert.deepEqual([first?.state, first?.error?.code], ['served', undefined]);
    assert.deepEqual([second?.state, second?.error?.code], ['failed', 'ERR_HANDSHAKE_OVERLAP']);
    assert.match(
      second?.error?.message ?? '',
      /first\.pem has this name too.* second\.pem has no name of its own/,
    );
  });
}

test('a crt-list file in a directory that the agent may not write to: coded, and tried again', async (t) => {
  const stage = await makeStage(t, { version: '3.2' });
  await stage.publish('shop', { names: ['shop.test'] });

  const result = await stage.pass(['--crt-list-file', '/proc/crt-list.txt']);

  assert.equal(result.code, 3, result.stderr);
  assert.match(result.stderr, /event=certificate\.pending .*code=ERR_CRT_LIST_FILE/);
});
