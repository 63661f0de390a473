import assert from 'node:assert/strict';
import { once } from 'node:events';
import { renameSync } from 'node:fs';
import { test } from 'node:test';
import type { Bucket } from '#storage/bucket.ts';
import type { Agent } from '../../../../agent/agent.ts';
import type { EventName } from '../../../../agent/log.ts';
import { runLoop } from '../../../../agent/resident/loop.ts';
import { agentHere, startAgent } from '../../../support/agent/program.ts';
import { serialOf } from '../../../support/agent/publish.ts';
import { makeStage, type Stage } from '../../../support/agent/stage.ts';

interface Watch {
  agent: Agent;
  /** Calls that left the process, and events, since the last poll. */
  calls: string[];
  clock: { now: Date };
}

async function watch(stage: Stage): Promise<Watch> {
  const calls: string[] = [];
  const clock = { now: new Date() };
  const log = (event: EventName) => void calls.push(event);
  const agent = await agentHere(stage.flags, log, { now: () => clock.now });
  const counted = <T extends object>(target: T, what: string): T =>
    new Proxy(target, {
      get: (object, name, receiver) => {
        const member = Reflect.get(object, name, receiver) as unknown;
        if (typeof member !== 'function') return member;
        return (...args: unknown[]) => {
          calls.push(`${what}.${String(name)}`);
          return (member as (...words: unknown[]) => unknown).apply(object, args);
        };
      },
    });
  const bucket = counted<Bucket>(stage.bucket, 'bucket');
  return {
    agent: { ...agent, openBucket: async () => bucket, runtime: counted(agent.runtime, 'haproxy') },
    calls,
    clock,
  };
}

/** Runs the loop; before each poll but the first, one of `steps` happens. @returns the calls of each poll */
async function poll({ agent, calls }: Watch, steps: (() => unknown)[]): Promise<string[][]> {
  const stop = new AbortController();
  const seen: string[][] = [];
  const left = [...steps];
  const sleep = async () => {
    seen.push(calls.splice(0));
    const step = left.shift();
    if (step === undefined) stop.abort();
    else await step();
  };
  await runLoop({ agent, signal: stop.signal, sleep, random: () => 0.5 });
  return seen;
}

const looks = ['haproxy.showSni', 'haproxy.showCrtLists', 'haproxy.showCrtList', 'haproxy.showCertificates'];
const idle = ['bucket.get', 'haproxy.showInfo', ...looks, 'manifest.unchanged'];

test('an idle poll is one GET, one "show info" and a look at what HAProxy shows of our files, and nothing else', async (t) => {
  const stage = await makeStage(t, { version: '3.2' });
  await stage.publish('shop', { names: ['shop.test'] });
  const watched = await watch(stage);

  const [first, second, third] = await poll(watched, [() => undefined, () => undefined]);

  assert.ok(first?.includes('certificate.loaded'));
  assert.deepEqual([second, third], [idle, idle]);
});

test('a full pass follows a new manifest, another Pid, ten minutes, and the time of the next try', async (t) => {
  const stage = await makeStage(t, { version: '3.2', masterWorker: true });
  await stage.publish('shop', { names: ['shop.test'] });
  const watched = await watch(stage);
  const later = (seconds: number) => () => {
    watched.clock.now = new Date(watched.clock.now.getTime() + seconds * 1000);
  };
  const expired = { names: ['bad.test'], notAfter: new Date(Date.now() - 1000) };

  const seen = await poll(watched, [
    () => stage.publish('shop', { names: ['shop.test'] }),
    () => stage.haproxy.reload(),
    later(590),
    later(20),
    () => stage.publish('bad', expired),
    later(30),
    later(40),
    later(40),
  ]);

  const isFull = seen.map((calls) => calls.includes('run.finished'));
  assert.deepEqual(isFull, [true, true, true, false, true, true, false, true, false]);
});

test('HAProxy out of reach: each poll looks for it, one log line says so, and a pass follows when it is back', async (t) => {
  const stage = await makeStage(t, { version: '3.2' });
  await stage.publish('shop', { names: ['shop.test'] });
  const watched = await watch(stage);
  const { socket } = stage.haproxy;

  const seen = await poll(watched, [
    () => renameSync(socket, `${socket}.away`),
    () => undefined,
    () => renameSync(`${socket}.away`, socket),
    () => undefined,
  ]);

  const logged = seen.map((calls) => calls.includes('haproxy.unreachable'));
  assert.deepEqual(logged, [false, true, false, false, false]);
  assert.ok(seen[3]?.includes('run.finished'));
  assert.deepEqual(seen[4], idle);
});

test('the loop does not die of failed passes', async (t) => {
  const stage = await makeStage(t, { version: '3.2' });
  const pem = await stage.publish('shop', { names: ['shop.test'] });
  const watched = await watch(stage);
  const { certsDir } = stage.haproxy;
  renameSync(certsDir, `${certsDir}.away`);

  const seen = await poll(watched, [() => undefined, () => renameSync(`${certsDir}.away`, certsDir)]);

  assert.ok(seen[0]?.includes('run.failed') && seen[1]?.includes('run.failed'));
  assert.ok(seen[2]?.includes('certificate.loaded'));
  assert.equal((await stage.handshake('shop.test')).serial, serialOf(pem));
});

test('the program: SIGHUP polls now, SIGTERM stops cleanly', async (t) => {
  const stage = await makeStage(t, { version: '3.2' });
  const first = await stage.publish('shop', { names: ['shop.test'] });
  const { child, output, said } = startAgent(['run', ...stage.flags, '--poll-interval', '3600']);
  t.after(() => child.kill('SIGKILL'));
  const exited = once(child, 'exit');
  await said('event=run.finished', 1);
  assert.equal((await stage.handshake('shop.test')).serial, serialOf(first));

  const second = await stage.publish('shop', { names: ['shop.test'] });
  child.kill('SIGHUP');
  await said('event=run.finished', 2);
  assert.equal((await stage.handshake('shop.test')).serial, serialOf(second));
  child.kill('SIGHUP');
  await said('event=manifest.unchanged', 1);
  child.kill('SIGTERM');
  const [code] = (await exited) as [number];

  assert.equal(code, 0);
  assert.match(output.stderr, /event=agent\.stopped\n$/);
  assert.equal(output.stdout, '');
});

test('a pass that has to stop finishes the certificates in hand and those prepared meanwhile', async (t) => {
  const stage = await makeStage(t, { version: '3.2' });
  const files = Array.from({ length: 45 }, (_, index) => `c${index + 10}.pem`);
  for (const file of files) await stage.publish(file.slice(0, -4), { names: [`${file.slice(0, -4)}.test`] });
  const stop = new AbortController();
  const proven: string[] = [];
  const agent = await agentHere(stage.flags, (event, { file = '' } = {}) => {
    if (event !== 'certificate.proven') return;
    proven.push(file);
    stop.abort();
  });

  await runLoop({ agent, signal: stop.signal, sleep: async () => undefined, random: () => 0 });

  assert.equal(proven.length, 40);
  assert.deepEqual(stage.files(), proven, 'no file that was not proved');
  await assert.rejects(stage.status(), /no host status/);
  const rest = await stage.agent('sync');
  assert.equal(rest.code, 0);
  assert.deepEqual(stage.files(), files);
});
