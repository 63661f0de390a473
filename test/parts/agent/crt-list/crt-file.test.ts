// HAProxy names each file on its bind (`crt FILE`): updates at run time, everything else by a reload.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { actionsOf, assertOk } from '../../../support/agent/assess.ts';
import { byFiles } from '../../../support/agent/configs.ts';
import { serialOf } from '../../../support/agent/publish.ts';
import { makeStage } from '../../../support/agent/stage.ts';
import { makeWorkDir } from '../../../support/agent/work-dir.ts';
import type { HaproxyVersion } from '../../../support/parts/haproxy.ts';
import { createPki } from '../../../support/parts/pki.ts';
import { testedVersions } from '../../../support/parts/versions.ts';

/** A bind that names `shop.pem`, spelled as `spelling`; the file is there before HAProxy starts. */
async function makeNamed(t: TestContext, version: HaproxyVersion, spelling: string) {
  const { workDir, certs } = makeWorkDir(t);
  const { combined } = await (await createPki()).issue({ names: ['shop.test'] });
  writeFileSync(join(certs, 'shop.pem'), combined);
  return makeStage(t, { version, workDir, configText: byFiles(`${certs}${spelling}`) });
}

for (const version of testedVersions()) {
  test(`${version}: crt FILE: updated at run time; a new one needs a reload, and says why`, async (t) => {
    const stage = await makeNamed(t, version, '/shop.pem');
    const pid = await stage.haproxy.pid();
    const first = await stage.publish('shop', { names: ['shop.test'] });
    await stage.adopt('shop.pem');
    assertOk(await stage.pass());
    assert.equal((await stage.handshake('shop.test')).serial, serialOf(first));
    const second = await stage.publish('shop', { names: ['shop.test'] });
    const added = await stage.publish('added', { names: ['added.test'] });

    const partly = await stage.pass(['--json']);
    const again = await stage.pass(['--json']);

    assert.equal(partly.code, 3, partly.stderr);
    assert.match(
      partly.stderr,
      /event=certificate\.needs-reload certificate=added .*code=ERR_RUNTIME_CRT_LIST/,
    );
    assert.deepEqual(actionsOf(again), [
      ['added.pem', 'needs-reload'],
      ['shop.pem', 'keep'],
    ]);
    const [status] = (await stage.status()).files;
    assert.match(
      status?.error?.message ?? '',
      /no such certificate.*name it on a bind \(crt FILE\) or its directory \(crt DIR\)/,
    );
    assert.equal(stage.pem('added'), added);
    assert.equal((await stage.handshake('shop.test')).serial, serialOf(second));
    assert.equal(await stage.haproxy.pid(), pid);
  });

  test(`${version}: crt FILE: what the configuration names is not deleted; HAProxy would not start again`, async (t) => {
    const stage = await makeNamed(t, version, '/shop.pem');
    await stage.publish('shop', { names: ['shop.test'] });
    await stage.adopt('shop.pem');
    assertOk(await stage.pass());
    await stage.withdraw('shop');
    await stage.publish('store', { names: ['shop.test'] });

    const renamed = await stage.pass(['--json']);

    assert.deepEqual(actionsOf(renamed), [
      ['store.pem', 'install'],
      ['shop.pem', 'needs-reload'],
    ]);
    assert.match(
      renamed.stderr,
      /event=certificate\.needs-reload .*names the file \(crt FILE\): take it out there/,
    );
    assert.deepEqual(stage.files(), ['shop.pem', 'store.pem']);
    await stage.haproxy.restart();
    assert.ok((await stage.handshake('shop.test')).serial);
    await stage.haproxy.stop();
    assert.match((await stage.pass()).stderr, /HAProxy is out of reach: it may name the file/);
    assert.deepEqual(stage.files(), ['shop.pem', 'store.pem']);
  });

  test(`${version}: crt FILE: a bind that spells the name in another way is found`, async (t) => {
    const stage = await makeNamed(t, version, '/.//shop.pem');
    const pem = await stage.publish('shop', { names: ['shop.test'] });
    await stage.adopt('shop.pem');

    assertOk(await stage.pass());

    assert.equal((await stage.handshake('shop.test')).serial, serialOf(pem));
  });
}
