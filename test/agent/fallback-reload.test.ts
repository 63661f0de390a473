// What the Runtime API cannot do: reloaded by command, checked first, once in a window, and proved afterwards.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { stringify } from 'yaml';
import { type HaproxyVersion, haproxyVersions } from '../parts/haproxy.ts';
import { freePort } from '../parts/ports.ts';
import { makeTempDir } from '../parts/temp-dir.ts';
import { programPath } from '../setup.mjs';
import { makeStage } from './stage.ts';
import { actionsOf, assertOk } from './support/assess.ts';
import { byDirectory } from './support/configs.ts';
import { serialOf } from './support/publish.ts';

/** The Pid of the master, which a signal makes reload. */
function masterPid(socket: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const connection = connect(socket, () => connection.end('show proc\n'));
    let answer = '';
    connection.setEncoding('utf8').on('data', (text: string) => {
      answer += text;
    });
    connection.once('error', reject).once('close', () => resolve(/^(\d+) +master/m.exec(answer)?.[1] ?? ''));
  });
}

const many = ['shop.test', ...Array.from({ length: 800 }, (_, index) => `name-${index}.shop.test`)];

async function makeReloadable(t: TestContext, version: HaproxyVersion, changes: object = {}) {
  const { path: workDir, remove } = makeTempDir();
  t.after(remove);
  mkdirSync(join(workDir, 'certs'));
  const httpsPort = await freePort();
  const configText = byDirectory({
    socket: join(workDir, 'admin.sock'),
    certs: join(workDir, 'certs'),
    port: httpsPort,
  });
  const stage = await makeStage(t, { version, workDir, configText, httpsPort, masterWorker: true });
  const config = join(workDir, 'agent.yaml');
  const counter = join(workDir, 'reloads');
  const pid = await masterPid(stage.haproxy.masterSocket);
  const reload = {
    command: ['/bin/sh', '-c', `echo x >>${counter}; kill -USR2 ${pid}`],
    check: [programPath(`haproxy-${version}`), '-c', '-f', join(workDir, 'haproxy.cfg')],
    window: 1000,
    timeout: 10,
    ...changes,
  };
  writeFileSync(config, stringify({ haproxy: { reload } }));
  writeFileSync(counter, '');
  return {
    stage,
    certs: join(workDir, 'certs'),
    sync: (...args: string[]) => stage.agent('sync', { args: ['--config', config, ...args] }),
    reloads: () => readFileSync(counter, 'utf8').length / 2,
  };
}

for (const version of haproxyVersions) {
  test(`${version}: one reload for all that needs it, proved; the next one waits for the window`, async (t) => {
    const { stage, sync, reloads } = await makeReloadable(t, version);
    await stage.publish('shop', { names: many });
    await stage.publish('store', { names: many.map((name) => name.replace('shop', 'store')) });
    const before = await stage.haproxy.pid();

    const result = await sync('--json');

    assertOk(result);
    assert.match(result.stderr, /event=reload\.done/);
    assert.notEqual(await stage.haproxy.pid(), before);
    assert.deepEqual(
      (await stage.status()).files.map(({ state, handshakes }) => [state, handshakes?.length]),
      [
        ['served', 1],
        ['served', 1],
      ],
    );
    assert.deepEqual(actionsOf(await sync('--json')), [
      ['shop.pem', 'keep'],
      ['store.pem', 'keep'],
    ]);
    assert.equal(reloads(), 1);

    await stage.publish('shop', { names: many });
    const deferred = await sync();

    assert.equal(deferred.code, 3, deferred.stderr);
    assert.match(deferred.stderr, /event=reload\.deferred until=/);
    assert.equal((await stage.status()).files[0]?.state, 'needs-reload');
    assert.equal(reloads(), 1);
  });

  test(`${version}: a configuration that HAProxy refuses is told, and nothing is reloaded`, async (t) => {
    const { stage, certs, sync, reloads } = await makeReloadable(t, version);
    const small = await stage.publish('shop', { names: ['shop.test'] });
    assertOk(await sync());
    const { keyPem } = await stage.pki.issue({ names: ['x.test'] });
    writeFileSync(join(certs, 'stray.pem'), keyPem);
    await stage.publish('shop', { names: many });

    const refused = await sync();
    const again = await sync();

    assert.equal(refused.code, 3, refused.stderr);
    assert.match(
      refused.stderr,
      /event=reload\.failed code=ERR_RELOAD_CHECK message=.*ended with 1: .*stray\.pem/,
    );
    assert.match(again.stderr, /event=reload\.deferred/);
    const status = await stage.status();
    assert.deepEqual([status.error?.code, status.files[0]?.state], ['ERR_RELOAD_CHECK', 'needs-reload']);
    assert.ok(!JSON.stringify([refused, status]).includes(keyPem.split('\n')[1] as string));
    assert.equal(reloads(), 0);
    assert.equal((await stage.handshake('shop.test')).serial, serialOf(small));
  });
}

test('a command that fails, or that reloads nothing, is told as such', async (t) => {
  const failing = await makeReloadable(t, '3.2', { command: ['/bin/false'] });
  await failing.stage.publish('shop', { names: many });
  const idle = await makeReloadable(t, '3.2', { command: ['/bin/true'], timeout: 1 });
  await idle.stage.publish('shop', { names: many });
  const missing = await makeReloadable(t, '3.2', { check: ['/nonexistent/haproxy'] });
  await missing.stage.publish('shop', { names: many });

  const results = [await failing.sync(), await idle.sync(), await missing.sync()].map(({ stderr }) => stderr);

  assert.match(results[0] ?? '', /code=ERR_RELOAD_COMMAND message="\/bin\/false ended with 1"/);
  assert.match(results[1] ?? '', /code=ERR_RELOAD_COMMAND message=.*no new worker answers after 1000 ms/);
  assert.match(results[2] ?? '', /code=ERR_RELOAD_CHECK message=.*ENOENT/);
});
