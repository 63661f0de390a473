// Two rows of docs/fleet-truth.md: the directory of certificates becomes read-only. That takes a mount namespace, and so the agent's own program.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { makeMountNamespace } from '../agent/mount-namespace.ts';
import { startAgent } from '../agent/program.ts';
import type { HaproxyVersion } from '../parts/haproxy.ts';
import { until } from '../process.ts';
import { startScene } from './scene.ts';

/** A pass ends with one of these. */
const END = /event=run\.(?:finished|failed) [^\n]*\n/;

export function testReadOnly(version: HaproxyVersion): void {
  test(`read-only-with-nothing-due, read-only-at-a-renewal: HAProxy ${version}`, (t) =>
    becomeReadOnly(t, version));
}

async function becomeReadOnly(t: TestContext, version: HaproxyVersion): Promise<void> {
  const scene = await startScene(version, [{ name: 'lb1' }]);
  t.after(scene.stop);
  const { issuer } = scene;
  const host = scene.hosts.get('lb1');
  assert.ok(host);
  await issuer.publish('shop');
  const { through, run } = await makeMountNamespace(t);
  const { certsDir } = host.haproxy;
  run(`mount --bind ${certsDir} ${certsDir}`);
  const { child, output, said } = startAgent(['run', ...host.flags, '--poll-interval', '3600'], { through });
  t.after(() => child.kill('SIGKILL'));
  await said('event=run.finished');
  const poll = async () => {
    const ends = output.stderr.split(END).length;
    child.kill('SIGHUP');
    await until(
      async () => output.stderr.split(END).length > ends,
      () => undefined,
      30_000,
    );
  };
  const remount = (how: 'ro' | 'rw') => run(`mount -o remount,bind,${how} ${certsDir}`);
  const found = async () => {
    const [status, { lines, level }, { HostsBehind }] = [
      await host.status(),
      await issuer.status(),
      await issuer.figures(),
    ];
    const named = lines
      .filter(({ code }) => code === 'host-error')
      .map((line) => [line.host, line.text.slice(0, 24)]);
    return [status.error?.code, named, level, HostsBehind];
  };
  const NAMED = ['ERR_CERTS_DIRECTORY', [['lb1', 'lb1: ERR_CERTS_DIRECTORY']], 'wrong', 1];
  const FINE = [undefined, [], 'note', 0];
  assert.deepEqual(await found(), FINE);

  remount('ro');
  await poll();
  const idle = await found();
  remount('rw');
  await poll();
  const mended = await found();
  await issuer.publish('shop');
  remount('ro');
  await poll();
  const atRenewal = await found();
  remount('rw');
  await poll();
  const atLast = await found();

  assert.deepEqual(
    { idle, mended, atRenewal, atLast },
    { idle: NAMED, mended: FINE, atRenewal: NAMED, atLast: FINE },
  );
}
