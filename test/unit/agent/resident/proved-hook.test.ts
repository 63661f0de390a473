/** `hooks.proved`: once for what handshakes have shown for the first time, again where it fails, and never a pass. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Agent, PassResult } from '../../../../agent/agent.ts';
import { ProvedHook } from '../../../../agent/resident/proved-hook.ts';
import { tempDir } from '../../../support/temp-dir.ts';

const outcome = (certificate: string, deployed: object, kind = 'done') => ({
  ...{ kind, action: { certificate, file: `${certificate}.pem`, desired: { serial: 'AB12' } } },
  deployed: { isWritten: true, isLoaded: true, handshakes: ['127.0.0.1:443'], ...deployed },
});
const passOf = (...outcomes: object[]) => ({ outcomes }) as unknown as PassResult;

function hookOf(command: string[] | undefined, timeoutSeconds = 5) {
  const events: string[] = [];
  const config = {
    ...{ fleet: 'edge', host: 'lb1', instances: [], haproxy: { certsDir: '/etc/haproxy/certs' } },
    hooks: { proved: command, timeoutSeconds },
  };
  const log = (event: string, { line, count, message }: Record<string, unknown> = {}) =>
    events.push([event, line ?? count, message].filter((one) => one !== undefined).join(' '));
  return { hook: new ProvedHook({ config, log } as unknown as Agent), events };
}

test('the program gets what was proved for the first time, once, and nothing of our environment', async (t) => {
  const directory = tempDir(t);
  const program = join(directory, 'hook');
  writeFileSync(program, `#!/bin/sh\nenv >${directory}/env\ncat >${directory}/facts\n`, { mode: 0o755 });
  const { hook, events } = hookOf([program]);
  const kept = outcome('kept.test', { isWritten: false, isLoaded: false });

  await hook.run(passOf(kept));
  assert.deepEqual(events, []);
  await hook.run(
    passOf(
      ...[outcome('a.test', {}), outcome('b.test', {}), kept],
      ...[outcome('failed.test', {}, 'failed'), outcome('unproved.test', { handshakes: undefined })],
    ),
  );
  await hook.run(passOf(kept));

  assert.deepEqual(events, ['hook.done 2']);
  const env = readFileSync(join(directory, 'env'), 'utf8');
  assert.match(env, /^PEMFLEET_CERTIFICATES=a\.test b\.test$/m);
  assert.match(env, /^PEMFLEET_FILES=\/etc\/haproxy\/certs\/a\.test\.pem /m);
  assert.doesNotMatch(env, /^(HOME|NODE|AWS)/m);
  const { proved } = JSON.parse(readFileSync(join(directory, 'facts'), 'utf8'));
  assert.deepEqual(proved[1], {
    ...{ certificate: 'b.test', file: '/etc/haproxy/certs/b.test.pem' },
    ...{ serial: 'AB12', binds: ['127.0.0.1:443'] },
  });
});

test('a program that fails runs three times, with its output in the log; one that is missing fails no pass', async () => {
  const { hook, events } = hookOf(['/bin/sh', '-c', 'echo no; exit 3']);

  for (const pass of [outcome('a.test', {}), undefined, undefined, undefined]) {
    await hook.run(passOf(...(pass ? [pass] : [])));
  }
  const missing = hookOf(['/nonexistent/hook']);
  await missing.hook.run(passOf(outcome('a.test', {})));

  assert.deepEqual(events, Array(3).fill(['hook.output no', 'hook.failed 1 exit status 3']).flat());
  assert.deepEqual(missing.events, ['hook.failed 1 /nonexistent/hook cannot be started: ENOENT']);
});

test('a program that hangs costs its time-out', async () => {
  const { hook, events } = hookOf(['/bin/sleep', '60'], 1);

  await hook.run(passOf(outcome('a.test', {})));

  assert.deepEqual(events, ['hook.failed 1 no end within 1 s']);
});
