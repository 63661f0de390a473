/** `hooks.proved`: once for each version that handshakes have shown, whenever they did, again where it fails, and never a poll. */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { digest } from '#contract/combined-pem.ts';
import type { Agent, PassResult } from '../../../../agent/agent.ts';
import { saveProofs } from '../../../../agent/proof/document.ts';
import { KnownProofs } from '../../../../agent/proof/known.ts';
import { ProvedHook } from '../../../../agent/resident/proved-hook.ts';
import { tempDir } from '../../../support/temp-dir.ts';

type Row = readonly [certificate: string, pem?: string, state?: string];

const BIND = '127.0.0.1:443';

function passOf(proofs: KnownProofs, ...rows: Row[]): PassResult {
  const files = rows.map(([certificate, pem = '1', state = 'served']) => ({
    ...{ certificate, file: `${certificate}.pem`, state },
    wanted: { sha256: digest(pem), serial: 'AB12' },
  }));
  const config = { haproxy: { certsDir: '/etc/haproxy/certs' } };
  return { status: { files }, left: [{ view: { config, proofs }, outcomes: [] }] } as unknown as PassResult;
}

function prove(proofs: KnownProofs, certificate: string, pem = '1'): void {
  const shown = { proved: [BIND], unproven: [] };
  proofs.note(`${certificate}.pem`, digest(pem), shown, { at: 1_700_000_000_000, pid: 7 });
}

interface HookOptions {
  command: string[] | undefined;
  timeoutSeconds?: number;
  stateDir: string;
}

/** As of a process that begins now. */
async function openHook({ command, timeoutSeconds = 5, stateDir }: HookOptions) {
  const events: string[] = [];
  const config = {
    ...{ fleet: 'edge', host: 'lb1', instances: [], haproxy: { certsDir: '/etc/haproxy/certs' }, stateDir },
    hooks: { proved: command, timeoutSeconds },
  };
  const log = (event: string, { line, count, message }: Record<string, unknown> = {}) =>
    events.push([event, line ?? count, message].filter((one) => one !== undefined).join(' '));
  const hook = await ProvedHook.open({ config, log } as unknown as Agent);
  return { hook, events };
}

/** A program that notes what it was told: a line of certificates for each run. */
function listener(t: TestContext, exit = 0) {
  const directory = tempDir(t);
  const program = join(directory, 'hook');
  const [env, facts, told] = ['env', 'facts', 'told'].map((name) => join(directory, name)) as [
    string,
    string,
    string,
  ];
  const script = `env >${env}\ncat >${facts}\necho "$PEMFLEET_CERTIFICATES" >>${told}\nexit ${exit}\n`;
  writeFileSync(program, `#!/bin/sh\n${script}`, { mode: 0o755 });
  writeFileSync(told, '');
  const read = (path: string) => readFileSync(path, 'utf8');
  return {
    command: [program],
    told: () => read(told).split('\n').slice(0, -1),
    env: () => read(env),
    facts: () => JSON.parse(read(facts)),
  };
}

test('the program gets what was proved, once, and nothing of our environment', async (t) => {
  const { command, told, env, facts } = listener(t);
  const { hook, events } = await openHook({ command, stateDir: tempDir(t) });
  const proofs = new KnownProofs();
  for (const name of ['a.test', 'b.test', 'failed.test']) prove(proofs, name);
  const result = passOf(proofs, ['a.test'], ['b.test'], ['failed.test', '1', 'failed'], ['unproved.test']);

  await hook.run(passOf(new KnownProofs(), ['a.test']));
  assert.deepEqual(events, []);
  await hook.run(result);
  await hook.run(result);
  await hook.run();

  assert.deepEqual(events, ['hook.done 2']);
  assert.deepEqual(told(), ['a.test b.test']);
  assert.match(env(), /^PEMFLEET_FILES=\/etc\/haproxy\/certs\/a\.test\.pem /m);
  assert.doesNotMatch(env(), /^(HOME|NODE|AWS)/m);
  assert.deepEqual(facts().proved[1], {
    ...{ certificate: 'b.test', file: '/etc/haproxy/certs/b.test.pem' },
    ...{ serial: 'AB12', binds: [BIND] },
  });
});

test('what is proved between polls, or by the next process, is told, each version once', async (t) => {
  const { command, told } = listener(t);
  const stateDir = tempDir(t);
  const first = await openHook({ command, stateDir });
  const proofs = new KnownProofs();
  const result = passOf(proofs, ['a.test'], ['b.test']);

  await first.hook.run(result);
  prove(proofs, 'a.test');
  await first.hook.run();
  await first.hook.run();
  prove(proofs, 'b.test');
  // It was killed before it told.
  await saveProofs(stateDir, proofs);
  const second = await openHook({ command, stateDir });
  await second.hook.run(result);
  // The wire showed something else for a while.
  proofs.drop('a.test.pem');
  await second.hook.run(result);
  prove(proofs, 'a.test');
  await second.hook.run(result);
  const third = await openHook({ command, stateDir });
  await third.hook.run(result);
  prove(proofs, 'a.test', '2');
  await third.hook.run(passOf(proofs, ['a.test', '2'], ['b.test']));

  assert.deepEqual(told(), ['a.test', 'b.test', 'a.test']);
});

test('what was proved before there was a record is not told', async (t) => {
  const { command, told } = listener(t);
  const stateDir = tempDir(t);
  const proofs = new KnownProofs();
  prove(proofs, 'a.test');
  prove(proofs, 'b.test');
  await saveProofs(stateDir, proofs);
  const { hook } = await openHook({ command, stateDir });

  await hook.run(passOf(proofs, ['a.test'], ['b.test']));
  prove(proofs, 'b.test', '2');
  await hook.run(passOf(proofs, ['a.test'], ['b.test', '2']));

  assert.deepEqual(told(), ['b.test']);
});

test('a program that is taken out and configured again later gets nothing of the time between', async (t) => {
  const { command, told } = listener(t);
  const stateDir = tempDir(t);
  const proofs = new KnownProofs();
  prove(proofs, 'a.test');
  const first = await openHook({ command, stateDir });
  await first.hook.run(passOf(proofs, ['a.test']));
  const without = await openHook({ command: undefined, stateDir });
  prove(proofs, 'a.test', '2');
  prove(proofs, 'b.test');
  await without.hook.run(passOf(proofs, ['a.test', '2'], ['b.test']));
  await saveProofs(stateDir, proofs);

  const again = await openHook({ command, stateDir });
  await again.hook.run(passOf(proofs, ['a.test', '2'], ['b.test']));
  assert.deepEqual([told(), without.events], [['a.test'], []]);
  prove(proofs, 'a.test', '3');
  await again.hook.run(passOf(proofs, ['a.test', '3'], ['b.test']));

  assert.deepEqual(told(), ['a.test', 'a.test']);
});

test('a record that cannot be removed is named, and ends nothing', async (t) => {
  const stateDir = tempDir(t);
  mkdirSync(join(stateDir, 'handed-over.json'));

  const { events } = await openHook({ command: undefined, stateDir });

  assert.match(events.join(), /^state\.failed .*handed-over\.json cannot be removed/);
});

test('another program goes on where the former one was: no version twice, and none is left out', async (t) => {
  const [former, next] = [listener(t), listener(t)];
  const stateDir = tempDir(t);
  const proofs = new KnownProofs();
  prove(proofs, 'a.test');
  const first = await openHook({ command: former.command, stateDir });
  await first.hook.run(passOf(proofs, ['a.test']));
  prove(proofs, 'b.test');
  await saveProofs(stateDir, proofs);

  const second = await openHook({ command: next.command, stateDir });
  await second.hook.run(passOf(proofs, ['a.test'], ['b.test']));

  assert.deepEqual([former.told(), next.told()], [['a.test'], ['b.test']]);
});

test('a record that cannot be read at the start and is gone later: what was proved before is not told', async (t) => {
  const { command, told } = listener(t);
  const stateDir = tempDir(t);
  const proofs = new KnownProofs();
  prove(proofs, 'a.test');
  await saveProofs(stateDir, proofs);
  mkdirSync(join(stateDir, 'handed-over.json'));
  const { hook } = await openHook({ command, stateDir });
  await hook.run(passOf(proofs, ['a.test']));
  rmdirSync(join(stateDir, 'handed-over.json'));

  await hook.run(passOf(proofs, ['a.test']));
  prove(proofs, 'b.test');
  await hook.run(passOf(proofs, ['a.test'], ['b.test']));

  assert.deepEqual(told(), ['b.test']);
});

test('a program that fails runs three times, over restarts, with its output in the log', async (t) => {
  const stateDir = tempDir(t);
  const options = { command: ['/bin/sh', '-c', 'echo no; exit 3'], stateDir };
  const proofs = new KnownProofs();
  prove(proofs, 'a.test');
  const result = passOf(proofs, ['a.test']);
  const first = await openHook({ ...options });
  // The proof is of this process: it is told, not recorded.
  await first.hook.run(result);
  await first.hook.run();
  const second = await openHook({ ...options });
  await second.hook.run(result);
  await second.hook.run(result);
  const third = await openHook({ ...options });
  await third.hook.run(result);

  const failed = ['hook.output no', 'hook.failed 1 exit status 3'];
  assert.deepEqual([first.events, second.events, third.events], [[...failed, ...failed], failed, []]);
});

test('a program that is missing, or hangs for longer than its time, fails no poll', async (t) => {
  const proofs = new KnownProofs();
  prove(proofs, 'a.test');
  const missing = await openHook({ command: ['/nonexistent/hook'], stateDir: tempDir(t) });
  // Node throws this one, and makes an event of the other.
  const below = await openHook({ command: ['/etc/hosts/hook'], stateDir: tempDir(t) });
  const hangs = await openHook({ command: ['/bin/sleep', '60'], timeoutSeconds: 1, stateDir: tempDir(t) });

  await missing.hook.run(passOf(proofs, ['a.test']));
  await below.hook.run(passOf(proofs, ['a.test']));
  await hangs.hook.run(passOf(proofs, ['a.test']));

  assert.deepEqual(missing.events, ['hook.failed 1 /nonexistent/hook cannot be started: ENOENT']);
  assert.deepEqual(below.events, ['hook.failed 1 /etc/hosts/hook cannot be started: ENOTDIR']);
  assert.deepEqual(hangs.events, ['hook.failed 1 no end within 1 s']);
});

test('a fault of ours around the program is told, and ends neither the loop nor a pass by hand', async (t) => {
  const { command, told } = listener(t);
  const { hook, events } = await openHook({ command, stateDir: tempDir(t) });
  const proofs = new KnownProofs();
  prove(proofs, 'a.test');
  const broken = { wasShown: () => assert.fail('a fault') } as unknown as KnownProofs;

  await hook.run(passOf(broken, ['a.test']));
  await hook.run(passOf(proofs, ['a.test']));

  assert.deepEqual(events, ['run.failed a fault', 'hook.done 1']);
  assert.deepEqual(told(), ['a.test']);
});
