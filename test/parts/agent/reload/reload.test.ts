// HAProxy changes under the agent's hands: reloads in the middle of a pass, other writers, answers that were not true.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { Runtime } from '../../../../agent/haproxy/runtime.ts';
import { openSocket, type RuntimeSocket } from '../../../../agent/haproxy/socket.ts';
import { lineLog } from '../../../../agent/log.ts';
import { sync } from '../../../../agent/pass/sync.ts';
import { agentHere } from '../../../support/agent/program.ts';
import { serialOf } from '../../../support/agent/publish.ts';
import { makeStage } from '../../../support/agent/stage.ts';
import { testedVersions } from '../../../support/parts/versions.ts';

/** `runtime`, but after each call of `method` `then` happens. */
function followed(
  runtime: Runtime,
  method: keyof Runtime,
  then: (filename: string) => Promise<void>,
): Runtime {
  return new Proxy(runtime, {
    get: (target, name) => {
      const member = Reflect.get(target, name) as (...args: string[]) => Promise<unknown>;
      return async (...args: string[]) => {
        const result = await member.apply(target, args);
        if (name === method) await then(args[0] as string);
        return result;
      };
    },
  });
}

/** HAProxy, but between a commit and what it shows behind it on the same line `then` happens. */
function cutIn(socket: RuntimeSocket, then: (filename: string) => Promise<void>): Runtime {
  const ask: RuntimeSocket = async (command, ...next) => {
    const [show, ...others] = next;
    if (command.verb !== 'commit ssl cert' || show === undefined) return socket(command, ...next);
    const answer = await socket(command);
    await then(command.operands?.[0] as string);
    const shown = await socket(show, ...others);
    return { ...answer, next: [shown, ...shown.next] };
  };
  return new Runtime(ask, async () => undefined);
}

for (const version of testedVersions()) {
  test(`${version}: a reload in the middle of a pass loses nothing: the pass looks again`, async (t) => {
    const stage = await makeStage(t, { version, masterWorker: true });
    const names = Array.from({ length: 12 }, (_, index) => `n${index}`);
    for (const name of names) await stage.publish(name, { names: [`${name}.test`] });
    await stage.pass();
    const pems: Record<string, string> = {};
    for (const name of names) pems[name] = await stage.publish(name, { names: [`${name}.test`] });
    const lines: string[] = [];
    const agent = await agentHere(
      stage.flags,
      lineLog((line) => lines.push(line), false),
    );
    let count = 0;
    const runtime = followed(agent.runtime, 'setCertificate', async () => {
      count += 1;
      if (count === 6) await stage.haproxy.reload();
    });

    const result = await sync({ ...agent, runtime });

    assert.match(lines.join(''), /event=haproxy\.reloaded/);
    assert.deepEqual([...new Set(result.status.files.map(({ state }) => state))], ['served'], lines.join(''));
    assert.equal(result.status.haproxy[0]?.pid, await stage.haproxy.pid());
    for (const name of names) {
      assert.equal((await stage.handshake(`${name}.test`)).serial, serialOf(pems[name] as string));
    }
  });

  test(`${version}: ... through the master socket: the set went to the old worker, and the pass or the next one mends it`, async (t) => {
    const stage = await makeStage(t, { version, masterWorker: true });
    stage.flags.push('--stats-socket', `master@${stage.haproxy.masterSocket}`);
    const names = ['a', 'b', 'c', 'd'];
    for (const name of names) await stage.publish(name, { names: [`${name}.test`] });
    await stage.pass();
    const pems: Record<string, string> = {};
    for (const name of names) pems[name] = await stage.publish(name, { names: [`${name}.test`] });
    const agent = await agentHere(stage.flags, () => undefined);
    let isFirst = true;
    const runtime = followed(agent.runtime, 'setCertificate', async () => {
      if (isFirst) await stage.haproxy.reload();
      isFirst = false;
    });

    const { status } = await sync({ ...agent, runtime });
    // 2.6: for a moment after a reload, the master lets nobody in
    const again = await stage.pass();

    const states = new Set(status.files.map(({ state }) => state));
    assert.ok(
      [...states].every((state) => state === 'served' || state === 'pending'),
      [...states].join(),
    );
    assert.equal(again.code, 0, again.stderr);
    for (const name of names) {
      assert.equal((await stage.handshake(`${name}.test`)).serial, serialOf(pems[name] as string));
    }
  });

  test(`${version}: somebody sets another certificate right after our commit: it is found, and the old state restored`, async (t) => {
    const stage = await makeStage(t, { version });
    const old = await stage.publish('shop', { names: ['shop.test'] });
    assert.equal((await stage.pass()).code, 0);
    const next = await stage.publish('shop', { names: ['shop.test'] });
    const { combined } = await stage.pki.issue({ names: ['shop.test'] });
    const lines: string[] = [];
    const agent = await agentHere(
      stage.flags,
      lineLog((line) => lines.push(line), false),
    );
    let isFirst = true;
    const socket = openSocket({ path: stage.haproxy.socket, timeoutMs: 8000 });
    const runtime = cutIn(socket, async (filename) => {
      if (!isFirst) return;
      isFirst = false;
      await stage.haproxy.command(`set ssl cert ${filename} <<\n${combined}\n`);
      await stage.haproxy.command(`commit ssl cert ${filename}`);
    });

    const result = await sync({ ...agent, runtime });

    assert.match(lines.join(''), /event=certificate\.needs-reload .*code=ERR_RUNTIME_READ_BACK/);
    assert.equal(result.status.files[0]?.state, 'needs-reload');
    assert.equal((await stage.handshake('shop.test')).serial, serialOf(old));
    assert.equal(stage.pem('shop'), next);
    assert.deepEqual(stage.files(), ['shop.pem']);
    assert.equal((await stage.pass()).code, 0);
    assert.equal((await stage.handshake('shop.test')).serial, serialOf(next));
  });

  test(`${version}: our transaction is aborted by somebody: the next pass goes on`, async (t) => {
    const stage = await makeStage(t, { version });
    await stage.publish('shop', { names: ['shop.test'] });
    assert.equal((await stage.pass()).code, 0);
    const pem = await stage.publish('shop', { names: ['shop.test'] });
    const lines: string[] = [];
    const agent = await agentHere(
      stage.flags,
      lineLog((line) => lines.push(line), false),
    );
    const runtime = followed(agent.runtime, 'setCertificate', async (filename) => {
      await stage.haproxy.command(`abort ssl cert ${filename}`);
    });

    const result = await sync({ ...agent, runtime });
    const next = await stage.pass();

    assert.equal(result.status.files[0]?.error?.code, 'ERR_RUNTIME_FOREIGN_TRANSACTION');
    assert.equal(result.status.files[0]?.state, 'pending');
    assert.equal(next.code, 0, next.stderr);
    assert.equal((await stage.handshake('shop.test')).serial, serialOf(pem));
    assert.deepEqual(stage.files(), ['shop.pem']);
  });

  test(`${version}: a transaction that a killed run of ours has left is ended, and the pass succeeds`, async (t) => {
    const stage = await makeStage(t, { version });
    await stage.publish('shop', { names: ['shop.test'] });
    assert.equal((await stage.pass()).code, 0);
    const { combined } = await stage.pki.issue({ names: ['shop.test'] });
    const pem = await stage.publish('shop', { names: ['shop.test'] });
    const file = join(stage.haproxy.certsDir, 'shop.pem');
    await stage.haproxy.command(`set ssl cert ${file} <<\n${combined}\n`);

    const result = await stage.pass();

    assert.equal(result.code, 0, result.stderr);
    assert.match(result.stderr, /event=transaction\.aborted .*code=ERR_RUNTIME_FOREIGN_TRANSACTION/);
    assert.equal((await stage.handshake('shop.test')).serial, serialOf(pem));
  });
}
