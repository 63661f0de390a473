// What a crt-list cannot do at run time, told as such.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { programPath } from '../../../setup.mjs';
import { assertOk } from '../../../support/agent/assess.ts';
import { makeListed } from '../../../support/agent/listed.ts';
import { entryFor, serialOf } from '../../../support/agent/publish.ts';
import type { HaproxyVersion } from '../../../support/parts/haproxy.ts';
import { testedVersions } from '../../../support/parts/versions.ts';

async function makePublished(t: TestContext, version: HaproxyVersion) {
  const { stage, list } = await makeListed(t, version);
  const publish = async (name: string, crtListOptions: string[], sniFilters: string[]) => {
    const { combined } = await stage.pki.issue({ names: [`${name}.test`] });
    const entry = { ...entryFor(combined, [`${name}.test`]), haproxy: { crtListOptions, sniFilters } };
    await stage.publishBytes(name, combined, entry);
    return combined;
  };
  const program = programPath(`haproxy-${version}`);
  const sync = (...args: string[]) =>
    stage.pass(['--crt-list-file', list, '--haproxy-program', program, ...args]);
  return { stage, publish, sync, lines: () => readFileSync(list, 'utf8') };
}

for (const version of testedVersions()) {
  test(`${version}: the filter * catches no name on a strict-sni bind, after a restart neither: told, and nobody else suffers`, async (t) => {
    const { stage, publish, sync } = await makePublished(t, version);
    const shop = await publish('shop', [], ['shop.test']);
    await publish('any', [], ['*']);
    const refused = /certificate=any .*code=ERR_HANDSHAKE_REFUSED/;

    const first = await sync();
    await stage.haproxy.restart();
    const second = await sync('--retry');

    assert.deepEqual([first.code, second.code], [3, 3]);
    assert.match(first.stderr, refused);
    assert.match(second.stderr, refused);
    assert.equal((await stage.handshake('shop.test')).serial, serialOf(shop));
  });
}

for (const version of testedVersions().filter((one) => one !== '2.6')) {
  test(`${version}: "incompatible parameters": another ocsp-update belongs to the file, and comes with a reload`, async (t) => {
    const { stage, publish, sync, lines } = await makePublished(t, version);
    await publish('shop', ['ocsp-update off'], ['shop.test']);
    assertOk(await sync());
    const pem = await publish('shop', ['ocsp-update on'], ['shop.test', 'b.test']);

    for (const pass of [await sync(), await sync()]) {
      assert.equal(pass.code, 3, pass.stderr);
      assert.match(
        pass.stderr,
        /event=certificate\.needs-reload .*ERR_RUNTIME_CRT_LIST .*incompatible parameters/,
      );
    }

    assert.match(lines(), /shop\.pem \[ocsp-update on\] shop\.test b\.test\n/);
    assert.equal((await stage.handshake('shop.test')).serial, serialOf(pem), 'the certificate itself is new');
    await stage.haproxy.restart();
    assertOk(await sync());
  });
}
