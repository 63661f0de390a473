// A crt-list line with options that no HAProxy has accepted: wherever the agent stops, HAProxy can start.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { programPath } from '../../../setup.mjs';
import { assertOk } from '../../../support/agent/assess.ts';
import { makeListed } from '../../../support/agent/listed.ts';
import { entryFor, serialOf } from '../../../support/agent/publish.ts';
import type { HaproxyVersion } from '../../../support/parts/haproxy.ts';
import { testedVersions } from '../../../support/parts/versions.ts';

const WRONG = ['curves nosuch'];
const RIGHT = ['alpn h2', 'ssl-min-ver TLSv1.2'];

async function makeStopped(t: TestContext, version: HaproxyVersion) {
  const { stage, list } = await makeListed(t, version);
  const program = programPath(`haproxy-${version}`);
  const lines = () =>
    readFileSync(list, 'utf8').replaceAll(`${stage.haproxy.certsDir}/`, '').split('\n').filter(Boolean);
  return {
    stage,
    lines,
    sync: (...args: string[]) => stage.pass(['--crt-list-file', list, '--haproxy-program', program, ...args]),
    publish: async (name: string, crtListOptions: string[]) => {
      const { combined } = await stage.pki.issue({ names: [`${name}.test`] });
      const haproxy = { crtListOptions, sniFilters: [] };
      await stage.publishBytes(name, combined, { ...entryFor(combined, [`${name}.test`]), haproxy });
      return combined;
    },
    stateOf: async (name: string) => {
      const file = (await stage.status()).files.find(({ certificate }) => certificate === name);
      return [file?.state, file?.error?.code];
    },
  };
}

for (const version of testedVersions()) {
  test(`${version}: while HAProxy is down, a line is written once "haproxy -c" accepts it; a refused one is named and left out`, async (t) => {
    const { stage, lines, sync, publish, stateOf } = await makeStopped(t, version);
    const right = await publish('right', RIGHT);
    await publish('wrong', WRONG);
    await publish('plain', []);
    await stage.haproxy.stop();

    const first = await sync();

    assert.deepEqual(lines(), ['plain.pem', 'right.pem [alpn h2 ssl-min-ver TLSv1.2]']);
    assert.equal(first.code, 3, first.stderr);
    assert.match(
      first.stderr,
      /certificate=wrong .*code=ERR_CRT_LIST_CHECK message=.*-c\W+ refuses the line: .*nosuch/,
    );
    assert.deepEqual(await stateOf('wrong'), ['pending', 'ERR_CRT_LIST_CHECK']);
    assert.deepEqual(
      stage.files().filter((file) => file.includes('check')),
      [],
    );

    await stage.haproxy.restart();
    assert.equal((await stage.handshake('right.test')).serial, serialOf(right));
    const up = await sync();
    assert.match(up.stderr, /certificate=wrong .*code=ERR_RUNTIME_REFUSED/);
    assert.deepEqual(lines().length, 2);

    // Served already: its renewal and its former line go on, on disk and at run time.
    for (const isUp of [true, false]) {
      const renewed = await publish('right', WRONG);
      if (!isUp) await stage.haproxy.stop();
      const refused = await sync();
      assert.equal(refused.code, 3, refused.stderr);
      assert.match(refused.stderr, /certificate=right .*nosuch/);
      assert.deepEqual(lines(), ['plain.pem', 'right.pem [alpn h2 ssl-min-ver TLSv1.2]']);
      if (!isUp) await stage.haproxy.restart();
      assert.equal((await stage.handshake('right.test')).serial, serialOf(renewed), `HAProxy up: ${isUp}`);
    }
  });

  test(`${version}: without HAProxy's program, a line with options waits for the running HAProxy`, async (t) => {
    const { stage, lines, sync, publish, stateOf } = await makeStopped(t, version);
    const blind = (...args: string[]) => sync('--haproxy-program', '/nonexistent/haproxy', ...args);
    const shop = await publish('shop', RIGHT);
    await stage.haproxy.stop();

    const down = await blind();
    assert.equal(down.code, 3, down.stderr);
    assert.match(
      down.stderr,
      /certificate=shop .*code=ERR_CRT_LIST_CHECK .*Start HAProxy, or set haproxy\.program/,
    );
    assert.deepEqual([lines(), await stateOf('shop')], [[], ['pending', 'ERR_CRT_LIST_CHECK']]);

    await stage.haproxy.restart();
    assertOk(await blind());
    assert.deepEqual(lines(), ['shop.pem [alpn h2 ssl-min-ver TLSv1.2]']);
    assert.equal((await stage.handshake('shop.test')).serial, serialOf(shop));
    await stage.haproxy.restart();
    assert.equal((await stage.handshake('shop.test')).serial, serialOf(shop));
  });

  test(`${version}: the agent trusts no line of the manifest: a wrong one is that certificate's fault alone`, async (t) => {
    const { stage, lines, sync, publish, stateOf } = await makeStopped(t, version);
    await publish('shop', RIGHT);
    assertOk(await sync());
    const renewed = await publish('shop', ['banana yes']);
    const fresh = await publish('plain', []);
    const hostile: [string, string[]][] = [
      ['bracket', ['alpn h2] x [']],
      ['comment', ['alpn h2 #']],
      ['feed', ['alpn h2\n/etc/x.pem']],
      ['outside', ['ca-file ../../etc/shadow']],
      ['store', ['key /etc/shadow']],
    ];
    for (const [name, options] of hostile) await publish(name, options);

    const result = await sync();

    assert.equal(result.code, 3, result.stderr);
    assert.match(result.stderr, /certificate=shop .*code=ERR_CRT_LIST_LINE message=.*no keyword .*banana/);
    assert.deepEqual(lines(), ['plain.pem', 'shop.pem [alpn h2 ssl-min-ver TLSv1.2]']);
    assert.equal((await stage.handshake('shop.test')).serial, serialOf(renewed));
    assert.equal((await stage.handshake('plain.test')).serial, serialOf(fresh));
    for (const name of ['shop', ...hostile.map(([one]) => one)]) {
      assert.deepEqual(await stateOf(name), ['failed', 'ERR_CRT_LIST_LINE'], name);
    }
    assert.deepEqual(stage.files(), ['list.txt', 'plain.pem', 'shop.pem']);
    writeFileSync(`${stage.haproxy.certsDir}/shop.pem`, 'edited');
    const repaired = await sync();
    assert.match(repaired.stderr, /certificate\.installed certificate=shop/, 'it is looked after as before');
    await stage.haproxy.restart();
  });
}
