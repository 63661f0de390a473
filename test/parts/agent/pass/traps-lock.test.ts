// Others at HAProxy's socket: who lists, who holds connections, who writes. The agent waits, says what is wrong, and comes back.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Runtime } from '../../../../agent/haproxy/runtime.ts';
import { openSocket } from '../../../../agent/haproxy/socket.ts';
import { sync } from '../../../../agent/pass/sync.ts';
import { assertOk } from '../../../support/agent/assess.ts';
import { patient } from '../../../support/agent/configs.ts';
import { agentHere, type Finished } from '../../../support/agent/program.ts';
import { serialOf } from '../../../support/agent/publish.ts';
import { makeReloadable } from '../../../support/agent/reloadable.ts';
import { makeStage, type Stage } from '../../../support/agent/stage.ts';
import { makeWorkDir } from '../../../support/agent/work-dir.ts';
import type { HaproxyVersion } from '../../../support/parts/haproxy.ts';
import { createPki } from '../../../support/parts/pki.ts';
import { testedVersions } from '../../../support/parts/versions.ts';
import { until } from '../../../support/process.ts';

/** `shop` is served and renewed, and there is more to list than fits in all buffers on the way. */
async function makeCrowded(t: TestContext, version: HaproxyVersion, statsTimeoutSeconds: number) {
  const { workDir, certs } = makeWorkDir(t);
  await addFillers(certs);
  const stage = await makeStage(t, { version, workDir, configText: patient(statsTimeoutSeconds) });
  await stage.publish('shop', { names: ['shop.test'] });
  assertOk(await stage.pass());
  const pem = await stage.publish('shop', { names: ['shop.test'] });
  return { stage, pem };
}

/** Asks for all certificates and reads nothing; resolves when HAProxy is locked. */
async function listWithoutReading({ haproxy }: Stage) {
  const lister = connect(haproxy.socket, () => lister.write('show ssl cert\n'));
  lister.pause().on('error', () => undefined);
  // without a transaction it changes nothing
  const probe = () => haproxy.command(`abort ssl cert ${join(haproxy.certsDir, 'shop.pem')}`);
  await until(
    async () => (await probe()).includes('currently locked'),
    () => (lister.destroyed ? 'the listing was over' : undefined),
    60_000,
  );
  return lister;
}

async function addFillers(certs: string) {
  // one PEM under long names
  const { combined } = await (await createPki()).issue({ names: ['filler.test'] });
  for (let index = 0; index < 1500; index += 1) {
    writeFileSync(join(certs, `z${index}${'-'.repeat(220)}.pem`), combined);
  }
}

/** The agent in this process, whose patience ends fifty times sooner. */
async function hastyPass({ flags, haproxy }: Stage, args: string[] = []) {
  const socket = openSocket({ path: haproxy.socket, timeoutMs: 500 });
  const runtime = new Runtime(socket, (ms) => sleep(ms / 50));
  return sync(await agentHere([...flags, ...args], () => undefined, { runtime }));
}

/** 3.4.7 loses its lock when it refuses another program's `set`: that is told, and over with the next reload. */
async function assertOkOrBroken(stage: Stage, result: Finished) {
  if (stage.haproxy.version !== '3.4' || !result.stderr.includes('ERR_RUNTIME_LOCK_BROKEN')) {
    assertOk(result);
    return;
  }
  assert.equal(result.code, 3, result.stderr);
  await stage.haproxy.restart();
  assertOk(await stage.pass(['--retry']));
}

const isLocked = async ({ haproxy }: Stage) =>
  (await haproxy.command('show ssl cert')).includes('currently locked');

for (const version of testedVersions()) {
  test(`${version}: a client that lists certificates and does not read holds the lock: the update waits, and comes`, async (t) => {
    const { stage, pem } = await makeCrowded(t, version, 2);
    const lister = await listWithoutReading(stage);

    const result = await stage.pass();

    lister.destroy();
    assertOk(result);
    assert.equal((await stage.handshake('shop.test')).serial, serialOf(pem));
  });

  test(`${version}: ... for longer than the agent waits: a coded failure, and the next pass succeeds`, async (t) => {
    const { stage, pem } = await makeCrowded(t, version, 600);
    const lister = await listWithoutReading(stage);

    const { status } = await hastyPass(stage);

    assert.deepEqual(
      [status.error?.code, status.files[0]?.state, status.files[0]?.error?.code],
      ['ERR_RUNTIME_LOCKED', 'pending', 'ERR_RUNTIME_LOCKED'],
    );
    assert.match(status.error?.message ?? '', /a client of unix:1, connected for \d+s, holds it/);
    lister.destroy();
    assertOk(await stage.pass());
    assert.equal((await stage.handshake('shop.test')).serial, serialOf(pem));
  });

  test(`${version}: others hold all connections of the socket: a coded failure, and the next pass succeeds`, async (t) => {
    const stage = await makeStage(t, { version, configText: patient(600) });
    const pem = await stage.publish('shop', { names: ['shop.test'] });
    // `stats maxconn` is 10
    const idle = Array.from({ length: 10 }, () => connect(stage.haproxy.socket));
    await Promise.all(idle.map((socket) => new Promise((resolve) => socket.once('connect', resolve))));

    const { status } = await hastyPass(stage);

    assert.deepEqual([status.error?.code, status.files[0]?.state], ['ERR_RUNTIME_TIMEOUT', 'pending']);
    for (const socket of idle) socket.destroy();
    assertOk(await stage.pass());
    assert.equal((await stage.handshake('shop.test')).serial, serialOf(pem));
  });

  test(`${version}: somebody lists all the time: every update comes through`, async (t) => {
    const { stage } = await makeCrowded(t, version, 10);
    const pems: Record<string, string> = {};
    for (const name of ['a', 'b', 'c', 'd']) {
      pems[name] = await stage.publish(name, { names: [`${name}.test`] });
    }
    let isOver = false;
    const lister = (async () => {
      while (!isOver) await stage.haproxy.command('show ssl cert');
    })();

    const result = await stage.pass();

    isOver = true;
    await lister;
    await assertOkOrBroken(stage, result);
    for (const [name, pem] of Object.entries(pems)) {
      assert.equal((await stage.handshake(`${name}.test`)).serial, serialOf(pem));
    }
  });

  test(`${version}: two others write while we do: what we call served is, and all is right when they have gone`, async (t) => {
    const { workDir, certs } = makeWorkDir(t);
    const pki = await createPki();
    const foreign = await Promise.all(
      ['x', 'y'].map(async (name) => {
        const { combined } = await pki.issue({ names: [`${name}.test`] });
        const file = join(certs, `${name}.pem`);
        writeFileSync(file, combined);
        return { file, combined };
      }),
    );
    const stage = await makeStage(t, { version, workDir });
    const names = Array.from({ length: 12 }, (_, index) => `n${index}`);
    const publishAll = async () => {
      const pems: Record<string, string> = {};
      for (const name of names) pems[name] = await stage.publish(name, { names: [`${name}.test`] });
      return pems;
    };
    await publishAll();
    assertOk(await stage.pass());
    const pems = await publishAll();
    let isOver = false;
    const writers = foreign.map(async ({ file, combined }) => {
      while (!isOver) {
        await stage.haproxy.command(`set ssl cert ${file} <<\n${combined}`);
        await stage.haproxy.command(`commit ssl cert ${file}`);
      }
    });

    const raced = await hastyPass(stage);

    isOver = true;
    await Promise.all(writers);
    const isServed = new Set(
      raced.status.files.filter(({ state }) => state === 'served').map(({ file }) => file),
    );
    const codes = raced.status.files.flatMap(({ error }) => error?.code ?? []);
    t.diagnostic(`${isServed.size} served, ${codes.join()}`);
    assert.equal(isServed.size + codes.length, names.length);
    assert.ok(
      codes.every((code) => /^ERR_(RUNTIME|HANDSHAKE)_/.test(code)),
      codes.join(),
    );
    // The two may break it by themselves, too.
    if (version === '3.4' && (await isLocked(stage))) await stage.haproxy.restart();
    for (const { file, combined } of foreign) {
      await stage.haproxy.command(`set ssl cert ${file} <<\n${combined}`);
      await stage.haproxy.command(`commit ssl cert ${file}`);
    }
    assertOk(await stage.pass(['--retry']));
    for (const name of names) {
      assert.equal((await stage.handshake(`${name}.test`)).serial, serialOf(pems[name] as string));
    }
  });
}

/** On a busy machine, HAProxy may end the listing before it refuses the other command: then nothing is broken yet. */
async function breakLock(stage: Stage, file: string): Promise<void> {
  for (let tries = 0; tries < 10 && !(await isLocked(stage)); tries += 1) {
    const lister = await listWithoutReading(stage);
    const refused = await stage.haproxy.command(`new ssl cert ${file}.pem`);
    lister.destroy();
    assert.match(refused, /currently locked/);
  }
  assert.ok(await isLocked(stage), 'HAProxy 3.4 breaks its lock where a refused command meets a listing');
}

test('3.4: a lock that another program has broken is told, and a reload heals it', async (t) => {
  const { stage, certs, config, reloads } = await makeReloadable(t, '3.4');
  await addFillers(certs);
  await stage.haproxy.reload();
  const pem = await stage.publish('shop', { names: ['shop.test'] });
  const file = join(certs, `z1${'-'.repeat(220)}.pem`);
  await breakLock(stage, file);

  const told = await hastyPass(stage);
  const healed = await hastyPass(stage, ['--config', config]);

  assert.deepEqual(
    [told.status.error?.code, told.status.files[0]?.state],
    ['ERR_RUNTIME_LOCK_BROKEN', 'needs-reload'],
  );
  assert.match(told.status.error?.message ?? '', /no client holds it: .* only a reload/);
  assert.deepEqual([healed.status.files[0]?.state, reloads()], ['served', 1]);
  assert.equal((await stage.handshake('shop.test')).serial, serialOf(pem));
  assert.equal(await isLocked(stage), false);
});
