// Certificates that leave the manifest while HAProxy holds on to them: told once, done by the next reload, never a HAProxy
// that does not start.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { assertOk } from '../../../support/agent/assess.ts';
import { byStoreAndDirectory, loose, twoBinds, withBind } from '../../../support/agent/configs.ts';
import { serialOf } from '../../../support/agent/publish.ts';
import { makeReloadable } from '../../../support/agent/reloadable.ts';
import { makeStage, type Stage } from '../../../support/agent/stage.ts';
import { makeWorkDir } from '../../../support/agent/work-dir.ts';
import { handshake } from '../../../support/handshake.ts';
import type { HaproxyVersion } from '../../../support/parts/haproxy.ts';
import { createPki } from '../../../support/parts/pki.ts';
import { testedVersions } from '../../../support/parts/versions.ts';

/** HAProxy has started with `file`, which is ours now. */
async function makeStarted(
  t: TestContext,
  version: HaproxyVersion,
  file: string,
  configOf: (certs: string) => string,
) {
  const { workDir, certs } = makeWorkDir(t);
  writeFileSync(join(certs, file), (await (await createPki()).issue({ names: ['first.test'] })).combined);
  const stage = await makeStage(t, { version, workDir, configText: configOf(certs) });
  const pem = await stage.publish(file.replace('.pem', ''), { names: [file.replace('.pem', '.test')] });
  await stage.adopt(file);
  assertOk(await stage.pass());
  return { stage, pem, workDir, certs };
}

async function assertWaiting(stage: Stage, file: string, message: RegExp) {
  const [first, second] = [await stage.pass(), await stage.pass()];

  for (const pass of [first, second]) {
    assert.equal(pass.code, 3, pass.stderr);
    assert.doesNotMatch(pass.stderr, /certificate\.failed/);
  }
  assert.match(first.stderr, /event=certificate\.needs-reload .*code=ERR_RUNTIME_IN_USE/);
  assert.doesNotMatch(second.stderr, /needs-reload certificate|certificate\.needs-reload/, 'told once');
  const { removals = [] } = await stage.status();
  assert.deepEqual(
    removals.map((one) => [one.file, one.state, one.error?.code]),
    [[file, 'needs-reload', 'ERR_RUNTIME_IN_USE']],
  );
  assert.match(removals[0]?.error?.message ?? '', message);
}

for (const version of testedVersions()) {
  test(`${version}: the default certificate of a bind: off the disk, gone with the next restart; the last one stays`, async (t) => {
    const { stage } = await makeStarted(t, version, 'a.pem', () => loose);
    const other = await stage.publish('b', { names: ['b.test'] });
    assertOk(await stage.pass());
    await stage.withdraw('a');

    await assertWaiting(stage, 'a.pem', /default certificate until its next reload or restart/);

    assert.deepEqual(stage.files(), ['b.pem']);
    await stage.withdraw('b');
    const last = await stage.pass();
    assert.deepEqual(stage.files(), ['b.pem'], last.stderr);
    assert.equal((await stage.status()).removals?.length, 2);
    await stage.haproxy.restart();
    assert.equal((await stage.handshake('b.test')).serial, serialOf(other));
    await assertWaitingLast(stage);
    const replacement = await stage.publish('c', { names: ['c.test'] });
    await stage.pass();
    assert.deepEqual(stage.files(), ['c.pem']);
    await stage.haproxy.restart();
    assertOk(await stage.pass());
    assert.equal((await stage.status()).removals, undefined);
    assert.equal((await stage.handshake('c.test')).serial, serialOf(replacement));
  });

  test(`${version}: all certificates leave at once: the bind without strict-sni keeps one, and HAProxy starts`, async (t) => {
    const { stage } = await makeStarted(t, version, 'a.pem', () => loose);
    await stage.publish('b', { names: ['b.test'] });
    assertOk(await stage.pass());
    await stage.withdraw('a');
    await stage.withdraw('b');

    const pass = await stage.pass();

    assert.equal(stage.files().length, 1, pass.stderr);
    await stage.haproxy.restart();
  });

  test(`${version}: a folder in the directory is no certificate: the last one stays`, async (t) => {
    const { stage, certs } = await makeStarted(t, version, 'a.pem', () => loose);
    mkdirSync(join(certs, 'archive'));
    await stage.withdraw('a');

    const pass = await stage.pass();

    assert.deepEqual(stage.files(), ['a.pem', 'archive'], pass.stderr);
    await stage.haproxy.restart();
  });

  test(`${version}: a default certificate that another crt-list names, too, stays, for HAProxy would not start without it`, async (t) => {
    const { stage } = await makeStarted(t, version, 'a.pem', (certs) => {
      const list = join(certs, '../other.list');
      writeFileSync(list, `${certs}/a.pem [alpn h2] a.test\n`);
      return twoBinds(`crt ${certs}`, `crt-list ${list} strict-sni`);
    });
    await stage.publish('b', { names: ['b.test'] });
    assertOk(await stage.pass());
    await stage.withdraw('a');

    await assertWaiting(stage, 'a.pem', /names the file: .*other\.list: it stays/);

    assert.deepEqual(stage.files(), ['a.pem', 'b.pem']);
    await stage.haproxy.restart();
  });

  test(`${version}: a file that another bind names (crt FILE) is updated everywhere, and stays until the configuration lets it go`, async (t) => {
    const { stage, pem, workDir, certs } = await makeStarted(t, version, 'shop.pem', (directory) =>
      twoBinds(`crt ${directory} strict-sni`, `crt ${directory}/shop.pem`),
    );
    const otherBind = () => handshake({ port: stage.haproxy.httpPort, servername: 'shop.test' });
    assert.equal((await otherBind()).serial, serialOf(pem));
    await stage.publish('other', { names: ['other.test'] });
    assertOk(await stage.pass());
    await stage.withdraw('shop');

    await assertWaiting(
      stage,
      'shop.pem',
      /names the file: .*haproxy\.cfg:\d+ \(crt\): it stays, .*take it out there, then reload/,
    );

    assert.deepEqual(stage.files(), ['other.pem', 'shop.pem']);
    await stage.haproxy.restart();
    assert.equal((await otherBind()).serial, serialOf(pem));
    const config = join(workDir, 'haproxy.cfg');
    writeFileSync(config, readFileSync(config, 'utf8').replace(`crt ${certs}/shop.pem`, `crt ${certs}`));
    await stage.haproxy.restart();
    const removed = await stage.pass();
    assert.deepEqual(stage.files(), ['other.pem'], removed.stderr);
  });
}

for (const version of testedVersions().filter((one) => one !== '2.6')) {
  test(`${version}: a crt-store alias of our file beside its directory: named, needs-reload, right after the reload; not deleted`, async (t) => {
    const { workDir, certs } = makeWorkDir(t);
    const first = (await (await createPki()).issue({ names: ['shop.test'] })).combined;
    writeFileSync(join(certs, 'shop.pem'), first);
    const stage = await makeStage(t, { version, workDir, configText: byStoreAndDirectory(certs) });
    const pem = await stage.publish('shop', { names: ['shop.test'] });
    await stage.adopt('shop.pem');

    const passes = [await stage.pass(), await stage.pass()];

    for (const pass of passes) {
      assert.equal(pass.code, 3, pass.stderr);
      assert.doesNotMatch(pass.stderr, /certificate\.failed/);
      assert.match(
        pass.stderr,
        /event=certificate\.needs-reload .*code=ERR_RUNTIME_CRT_LIST .*holds as @web\/site/,
      );
    }
    const [status] = (await stage.status()).files;
    assert.deepEqual([status?.state, status?.error?.code], ['needs-reload', 'ERR_RUNTIME_CRT_LIST']);
    await stage.haproxy.restart();
    assertOk(await stage.pass());
    assert.equal((await stage.handshake('shop.test')).serial, serialOf(pem));
    await stage.publish('other', { names: ['other.test'] });
    await stage.withdraw('shop');
    await assertWaiting(stage, 'shop.pem', /names the file: .*haproxy\.cfg:\d+ \(crt, alias site\)/);
    await stage.haproxy.restart();
    assert.deepEqual(
      stage.files().filter((name) => !name.startsWith('.')),
      ['other.pem', 'shop.pem'],
    );
  });
}

/** What names our file in the configuration, beside the directory that holds it. */
const NAMERS = [
  ['default-crt', (dir: string) => withBind(`crt ${dir} default-crt ${dir}/shop.pem`)],
  [
    'ssl-f-use',
    (dir: string) =>
      twoBinds(`crt ${dir} strict-sni`, 'strict-sni').replace(
        /(?<=frontend b\n.*\n)/,
        `  ssl-f-use crt ${dir}/shop.pem\n`,
      ),
  ],
] as const;

for (const version of ['3.2', '3.4'] as const) {
  for (const [keyword, configOf] of NAMERS) {
    test(`${version}: a file that ${keyword} names is renewed at run time, and stays when it has left the manifest`, async (t) => {
      const { stage, certs } = await makeStarted(t, version, 'shop.pem', configOf);
      await stage.publish('other', { names: ['other.test'] });
      const renewed = await stage.publish('shop', { names: ['shop.test'] });
      assertOk(await stage.pass());
      const port = keyword === 'ssl-f-use' ? stage.haproxy.httpPort : stage.haproxy.httpsPort;
      assert.equal((await handshake({ port, servername: 'shop.test' })).serial, serialOf(renewed));
      await stage.withdraw('shop');

      await assertWaiting(
        stage,
        'shop.pem',
        /names the file: .*haproxy\.cfg:\d+ \((default-)?crt\).*: it stays/,
      );

      assert.deepEqual(stage.files(), ['other.pem', 'shop.pem']);
      await stage.haproxy.restart();
      assert.equal(readFileSync(join(certs, 'shop.pem'), 'utf8'), renewed);
    });
  }
}

test('with a reload command the default certificate is gone in the same pass, by one reload', async (t) => {
  const { stage, certs, sync, reloads } = await makeReloadable(t, '3.2');
  const config = join(certs, '../haproxy.cfg');
  await stage.publish('a', { names: ['a.test'] });
  await stage.publish('b', { names: ['b.test'] });
  assertOk(await sync());
  writeFileSync(config, readFileSync(config, 'utf8').replace(' strict-sni', ''));
  await stage.haproxy.reload();
  await stage.withdraw('a');

  const done = await sync();

  assertOk(done);
  assert.equal(reloads(), 1, done.stderr);
  assert.match(done.stderr, /event=certificate\.removed certificate=a /);
  assert.deepEqual(stage.files(), ['b.pem']);
  assert.doesNotMatch(await stage.haproxy.command('show ssl cert'), /a\.pem/);
  assert.equal((await stage.status()).removals, undefined);
});

async function assertWaitingLast(stage: Stage) {
  const waiting = await stage.pass();

  assert.equal(waiting.code, 3);
  const { removals = [] } = await stage.status();
  assert.match(
    removals[0]?.error?.message ?? '',
    /it is the last certificate, and HAProxy would not start without one/,
  );
  assert.deepEqual(stage.files(), ['b.pem']);
}
