// The agent's own program against real HAProxy: what a pass does.
import assert from 'node:assert/strict';
import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { actionsOf, assertOk, traces } from '../../../support/agent/assess.ts';
import { serialOf } from '../../../support/agent/publish.ts';
import { makeStage } from '../../../support/agent/stage.ts';
import { makeWorkDir } from '../../../support/agent/work-dir.ts';
import { haproxyVersions } from '../../../support/parts/haproxy.ts';

for (const version of haproxyVersions) {
  test(`${version}: from an empty strict-sni directory to served, renewed and removed, on one process`, async (t) => {
    const stage = await makeStage(t, { version });
    const { haproxy } = stage;
    const pid = await haproxy.pid();
    const first = await stage.publish('shop', { names: ['shop.test', '*.shop.test', 'www.shop2.test'] });
    await stage.publish('rsa', { names: ['rsa.test'], keyType: 'rsa-2048' });
    writeFileSync(join(haproxy.certsDir, '.keep'), 'not ours');

    assertOk(await stage.agent('sync'));

    const served = await stage.handshake('any.shop.test');
    assert.deepEqual([served.serial, served.chainLength], [serialOf(first), 2]);
    assert.equal(stage.pem('shop'), first);
    assert.equal(statSync(join(haproxy.certsDir, 'shop.pem')).mode & 0o777, 0o600);
    const status = await stage.status();
    assert.deepEqual(
      status.files.map(({ file, state, handshakes }) => [file, state, handshakes]),
      [
        ['rsa.pem', 'served', [`127.0.0.1:${haproxy.httpsPort}`]],
        ['shop.pem', 'served', [`127.0.0.1:${haproxy.httpsPort}`]],
      ],
    );
    assert.equal(status.haproxy[0]?.pid, pid);

    const second = await stage.publish('shop', { names: ['shop.test'] });
    await stage.withdraw('rsa');
    assertOk(await stage.agent('sync'));

    assert.equal((await stage.handshake('shop.test')).serial, serialOf(second));
    await assert.rejects(stage.handshake('rsa.test'));
    assert.deepEqual(stage.files(), ['.keep', 'shop.pem']);
    assert.equal((await haproxy.command('show ssl cert')).includes('rsa.pem'), false);
    assert.equal(await haproxy.pid(), pid);
    await haproxy.restart();
    assert.equal((await stage.handshake('shop.test')).serial, serialOf(second));
  });

  test(`${version}: a pass with nothing new writes nothing`, async (t) => {
    const stage = await makeStage(t, { version });
    await stage.publish('shop', { names: ['shop.test'] });
    assertOk(await stage.agent('sync'));
    const before = [stage.haproxy.certsDir, stage.stateDir, stage.bucketDir].map(traces);

    const again = await stage.agent('sync');

    assertOk(again);
    assert.match(again.stderr, /event=manifest\.unchanged/);
    assert.match(again.stderr, /changed=false/);
    assert.deepEqual([stage.haproxy.certsDir, stage.stateDir, stage.bucketDir].map(traces), before);
  });

  test(`${version}: without HAProxy the files are installed all the same, and its next start serves them`, async (t) => {
    const { workDir } = makeWorkDir(t);
    const stage = await makeStage(t, { version, workDir });
    await stage.haproxy.stop();
    const pem = await stage.publish('shop', { names: ['shop.test'] });

    const early = await stage.agent('sync');

    assert.equal(early.code, 3, early.stderr);
    assert.equal(stage.pem('shop'), pem);
    const pending = await stage.status();
    assert.match(pending.error?.code ?? '', /^ERR_RUNTIME_SOCKET_(MISSING|REFUSED)$/);
    assert.deepEqual(
      pending.files.map(({ state }) => state),
      ['pending'],
    );

    await stage.haproxy.restart();
    const late = await stage.agent('sync', { args: ['--json'] });

    assertOk(late);
    assert.deepEqual(actionsOf(late), [['shop.pem', 'prove']]);
    assert.equal((await stage.handshake('shop.test')).serial, serialOf(pem));
    assert.equal((await stage.status()).files[0]?.state, 'served');
  });

  test(`${version}: an RSA and ECDSA pair, each half proved with its own kind of client`, async (t) => {
    const stage = await makeStage(t, { version });
    const rsa = await stage.publish('pair', { names: ['pair.test'], keyType: 'rsa-2048' });
    const { pems, ...entry } = await stage.entry('pair');
    const ec = await stage.publish('pair', { names: ['pair.test'] });
    const both = await stage.entry('pair');
    await stage.publishBytes('pair', ec, { ...entry, pems: [...pems, ...both.pems] });

    assertOk(await stage.agent('sync'));

    assert.deepEqual(stage.files(), ['pair.pem.ecdsa', 'pair.pem.rsa']);
    assert.equal((await stage.handshake('pair.test')).serial, serialOf(ec));
    const states = (await stage.status()).files.map(({ file, state, runtime }) => [
      file,
      state,
      runtime?.serial,
    ]);
    assert.deepEqual(states, [
      ['pair.pem.ecdsa', 'served', serialOf(ec)],
      ['pair.pem.rsa', 'served', serialOf(rsa)],
    ]);
  });
}

test('--dry-run shows the plan and changes nothing', async (t) => {
  const stage = await makeStage(t, { version: '3.2' });
  await stage.publish('shop', { names: ['shop.test'] });
  const before = traces(stage.dir);

  const dry = await stage.agent('sync', { args: ['--dry-run'] });
  const dryJson = await stage.agent('sync', { args: ['--dry-run', '--json'] });

  assertOk(dry);
  assert.match(dry.stdout, /^shop\.pem +install +new in the manifest$/m);
  assert.deepEqual(actionsOf(dryJson), [['shop.pem', 'install']]);
  assert.deepEqual([traces(stage.dir), stage.files()], [before, []]);
});

test('handshake [] switches the proof off, and the status says so', async (t) => {
  const stage = await makeStage(t, { version: '3.2' });
  await stage.publish('shop', { names: ['shop.test'] });

  assertOk(await stage.agent('sync', { args: ['--handshake', ''] }));

  const status = await stage.status();
  assert.deepEqual([status.haproxy[0]?.['handshake'], status.files[0]?.handshakes], [[], []]);
});

test('status shows the last pass, and exits 3 while something is not served', async (t) => {
  const stage = await makeStage(t, { version: '3.2' });
  const none = await stage.agent('status');
  await stage.publish('shop', { names: ['shop.test'] });
  await stage.agent('sync');

  const served = await stage.agent('status');
  const json = await stage.agent('status', { args: ['--json'] });
  await stage.publish('bad', { names: ['bad.test'], notAfter: new Date(Date.now() - 1000) });
  await stage.agent('sync');
  const partly = await stage.agent('status');

  assert.deepEqual([none.code, served.code, partly.code], [1, 0, 3]);
  assert.match(served.stdout, /^shop\.pem +served /m);
  assert.deepEqual(JSON.parse(json.stdout).files[0].state, 'served');
  assert.match(partly.stdout, /^bad\.pem +failed .*ERR_PEM_VALIDITY/m);
});
