// What the Runtime API cannot do: reloaded by command, checked first, once in a window, and proved afterwards.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { parse, stringify } from 'yaml';
import { programPath } from '../../../setup.mjs';
import { actionsOf, assertOk } from '../../../support/agent/assess.ts';
import { startAgent } from '../../../support/agent/program.ts';
import { serialOf } from '../../../support/agent/publish.ts';
import { makeReloadable, many } from '../../../support/agent/reloadable.ts';
import { haproxyVersions } from '../../../support/parts/haproxy.ts';
import { testedVersions } from '../../../support/parts/versions.ts';

for (const version of testedVersions()) {
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

for (const version of testedVersions()) {
  test(`${version}: a check that hangs, because a crt-list line names a directory, is stopped and told`, async (t) => {
    const { stage, sync, reloads } = await makeReloadable(t, version, (workDir) => {
      const [list, config] = [join(workDir, 'list.txt'), join(workDir, 'hangs.cfg')];
      mkdirSync(join(workDir, 'archive'));
      writeFileSync(list, `${join(workDir, 'archive')}\n`);
      writeFileSync(config, `frontend a\n  bind 127.0.0.1:1 ssl crt-list ${list} strict-sni\n`);
      return { check: [programPath(`haproxy-${version}`), '-c', '-f', config], timeout: 3 };
    });
    await stage.publish('shop', { names: many });

    const { code, stderr } = await sync();

    assert.equal(code, 3, stderr);
    assert.match(
      stderr,
      /event=reload\.failed code=ERR_RELOAD_CHECK message=.* did not end within 3000 ms and was stopped; a crt-list line that names a directory/,
    );
    assert.deepEqual([reloads(), (await stage.status()).files[0]?.state], [0, 'needs-reload']);
  });

  test(`${version}: without a stats socket: installed, reloaded once, and only the wire is believed`, async (t) => {
    const { stage, sync, reloads } = await makeReloadable(t, version);
    const blind = () => sync('--stats-socket', '/nonexistent.sock', '--json');
    const first = await stage.publish('shop', { names: ['shop.test'] });

    const brought = await blind();
    const { files } = await stage.status();
    const idle = await blind();
    await stage.publish('shop', { names: ['shop.test'] });
    const deferred = await blind();

    assert.match(brought.stderr, /code=ERR_RUNTIME_SOCKET_MISSING.*event=reload\.done/s);
    assert.deepEqual([brought.code, idle.code], [0, 0]);
    assert.deepEqual(
      files.map(({ state, handshakes }) => [state, handshakes?.length]),
      [['served', 1]],
    );
    assert.deepEqual(actionsOf(idle), [['shop.pem', 'keep']]);
    assert.match(deferred.stderr, /event=certificate\.needs-reload .*code=ERR_RUNTIME_NO_SOCKET/);
    assert.match(deferred.stderr, /event=reload\.deferred/);
    assert.equal((await stage.status()).files[0]?.error?.code, 'ERR_RUNTIME_NO_SOCKET');
    assert.equal(reloads(), 1);
    assert.equal((await stage.handshake('shop.test')).serial, serialOf(first));
    await stage.haproxy.stop();
    assert.equal((await blind()).code, 3);
    const [down] = (await stage.status()).files;
    assert.deepEqual([down?.state, down?.error?.code], ['pending', 'ERR_RUNTIME_SOCKET_MISSING']);
  });
}

test('without a stats socket: of files with one name the first by file name counts, as HAProxy reads them', async (t) => {
  const { stage, sync, reloads } = await makeReloadable(t, '3.2');
  const a = await stage.publish('a', { names: ['shop.test', 'a.test'], notBefore: new Date('2026-10-01') });
  await stage.publish('b', { names: ['shop.test', 'b.test'] });

  const brought = await sync('--stats-socket', '/nonexistent.sock');

  assertOk(brought);
  assert.match(
    brought.stderr,
    /event=names\.overlap certificate=b .*servedBy=a\.pem reason="its file name comes first"/,
  );
  assert.equal((await stage.handshake('shop.test')).serial, serialOf(a));
  assert.equal(reloads(), 1);
});

test('without a stats socket: what a reload does not bring is not reloaded for again, and not called served', async (t) => {
  const { stage, sync, reloads } = await makeReloadable(t, '3.2', () => ({ window: 1, timeout: 1 }));
  const blind = () => sync('--stats-socket', '/nonexistent.sock', '--json');
  // Nobody can ask for it by name.
  await stage.publish('address', { names: ['127.0.0.9'] });

  const passes = [await blind()];
  for (let pass = 0; pass < 2; pass += 1) {
    await sleep(1100);
    passes.push(await blind());
  }

  assert.deepEqual([passes.map(({ code }) => code), reloads()], [[3, 3, 3], 1], passes[0]?.stderr);
  assert.match(passes.at(-1)?.stderr ?? '', /event=reload\.in-vain/);
  const { error, files } = await stage.status();
  assert.deepEqual(
    [error, files.map(({ state, error: why }) => [state, why?.code])],
    [undefined, [['needs-reload', 'ERR_RUNTIME_NO_SOCKET']]],
  );
});

test('a reload is remembered though the status cannot be put: nobody reloads for the same file twice', async (t) => {
  const { stage, sync, reloads } = await makeReloadable(t, '3.2', () => ({ window: 1, timeout: 1 }));
  await stage.publish('address', { names: ['127.0.0.9'] });
  // a file where the directory of statuses should be
  writeFileSync(join(stage.bucketDir, 'status'), '');
  const blind = () => sync('--stats-socket', '/nonexistent.sock');

  const first = await blind();
  await sleep(1100);
  const second = await blind();

  assert.match(first.stderr, /event=reload\.done.*event=status\.failed/s);
  assert.match(second.stderr, /event=reload\.in-vain/);
  assert.equal(reloads(), 1);
});

test('without a stats socket the resident agent comes to rest, and its metrics show no error', async (t) => {
  const { stage, config } = await makeReloadable(t, '3.2');
  await stage.publish('shop', { names: ['shop.test'] });
  const textfile = join(stage.dir, 'pemfleet.prom');
  const flags = ['--config', config, '--stats-socket', '/nonexistent.sock', '--metrics-textfile', textfile];
  const { child, output, said } = startAgent(['run', ...stage.flags, ...flags, '--poll-interval', '1']);
  t.after(() => child.kill('SIGKILL'));

  await said('event=run.finished');
  const looks = output.stderr.split('event=manifest.unchanged').length - 1;
  await said('event=manifest.unchanged', looks + 2);

  assert.equal(output.stderr.split('event=run.finished').length - 1, 1, output.stderr);
  const metrics = readFileSync(textfile, 'utf8');
  assert.match(metrics, /pemfleet_agent_last_poll/);
  assert.doesNotMatch(metrics, /SOCKET_MISSING/);
});

test('a command that fails, or that reloads nothing, is told as such', async (t) => {
  const failing = await makeReloadable(t, '3.2', () => ({ command: ['/bin/false'] }));
  await failing.stage.publish('shop', { names: many });
  const idle = await makeReloadable(t, '3.2', () => ({ command: ['/bin/true'], timeout: 1 }));
  await idle.stage.publish('shop', { names: many });
  const missing = await makeReloadable(t, '3.2', () => ({ check: ['/nonexistent/haproxy'] }));
  await missing.stage.publish('shop', { names: many });

  const results = [await failing.sync(), await idle.sync(), await missing.sync()].map(({ stderr }) => stderr);

  assert.match(results[0] ?? '', /code=ERR_RELOAD_COMMAND message="\/bin\/false ended with 1"/);
  assert.match(results[1] ?? '', /code=ERR_RELOAD_COMMAND message=.*no new worker answers after 1000 ms/);
  assert.match(results[2] ?? '', /code=ERR_RELOAD_CHECK message=.*ENOENT/);
});

const [first] = haproxyVersions;

test(`${first}: hooks.proved is told once of what a reload by others makes HAProxy serve`, async (t) => {
  const { stage, config, sync } = await makeReloadable(t, first);
  const told = join(stage.dir, 'told');
  const program = join(stage.dir, 'hook');
  writeFileSync(program, `#!/bin/sh\necho "$PEMFLEET_SERIALS" >>${told}\n`, { mode: 0o755 });
  const settings = parse(readFileSync(config, 'utf8'));
  writeFileSync(config, stringify({ ...settings, hooks: { proved: [program] } }));
  writeFileSync(told, '');
  const pass = async () => {
    const result = await stage.agent('sync', { args: ['--config', config] });
    return [result.code, readFileSync(told, 'utf8').split('\n').slice(0, -1)];
  };
  const serials = [serialOf(await stage.publish('shop', { names: many }))];

  assert.deepEqual(await pass(), [0, serials]);
  serials.push(serialOf(await stage.publish('shop', { names: many })));
  assert.deepEqual(await pass(), [3, serials.slice(0, 1)], 'the window keeps it from a reload');
  await stage.haproxy.reload();

  assert.deepEqual(await pass(), [0, serials]);
  assert.deepEqual(await pass(), [0, serials]);
  assert.deepEqual(actionsOf(await sync('--json')), [['shop.pem', 'keep']]);
});
