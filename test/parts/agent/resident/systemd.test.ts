// The resident agent as systemd and Prometheus see it.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { startAgent } from '../../../support/agent/program.ts';
import { serialOf } from '../../../support/agent/publish.ts';
import { makeStage, type Stage } from '../../../support/agent/stage.ts';
import { type NotifySocket, startNotifySocket } from '../../../support/parts/notify-socket.ts';
import { until } from '../../../support/process.ts';

interface Resident {
  child: ReturnType<typeof startAgent>['child'];
  output: { stderr: string };
  systemd: NotifySocket;
  /** Waits until `isTrue`; a dead agent or ten seconds are a failure. */
  sees: (isTrue: () => boolean) => Promise<void>;
  stopped: () => Promise<number>;
}

async function reside(t: TestContext, stage: Stage, env = {}, args: string[] = []): Promise<Resident> {
  const systemd = await startNotifySocket();
  const { child, output } = startAgent(['run', ...stage.flags, '--poll-interval', '3600', ...args], {
    env: { NOTIFY_SOCKET: systemd.path, ...env },
  });
  const exited = once(child, 'close');
  t.after(() => {
    child.kill('SIGKILL');
    systemd.stop();
  });
  return {
    child,
    output,
    systemd,
    sees: (isTrue) =>
      until(
        async () => isTrue(),
        () => (child.exitCode === null ? undefined : output.stderr),
        60_000,
      ),
    stopped: async () => {
      child.kill('SIGTERM');
      return ((await exited) as [number])[0];
    },
  };
}

const first = (messages: readonly string[]) => messages.filter((message) => message !== 'WATCHDOG=1');

test('systemd gets READY=1 after the first pass, RELOADING=1 on SIGHUP, STOPPING=1 on SIGTERM', async (t) => {
  const stage = await makeStage(t, { version: '3.2' });
  await stage.publish('shop', { names: ['shop.test'] });
  const { child, systemd, sees, stopped, output } = await reside(t, stage);
  await sees(() => systemd.messages().length === 1);
  assert.match(output.stderr, /event=run\.finished/);

  child.kill('SIGHUP');
  await sees(() => systemd.messages().length === 3);
  const code = await stopped();

  assert.equal(code, 0);
  const [ready, reloading = '', again, stopping, ...more] = systemd.messages();
  assert.deepEqual([ready, again, stopping, more], ['READY=1\nSTATUS=1 served', ready, 'STOPPING=1', []]);
  const [, usec = ''] = /^RELOADING=1\nMONOTONIC_USEC=(\d+)$/.exec(reloading) ?? [];
  assert.ok(Math.abs(Number(usec) - Number(process.hrtime.bigint() / 1000n)) < 60_000_000, reloading);
});

test('the watchdog is fed twice in WatchdogSec, and the status line names the error', async (t) => {
  const stage = await makeStage(t, { version: '3.2' });
  await stage.publish('shop', { names: ['shop.test'] });
  renameSync(stage.haproxy.socket, `${stage.haproxy.socket}.away`);
  const { systemd, sees, stopped } = await reside(t, stage, { WATCHDOG_USEC: '400000' });

  await sees(() => systemd.messages().filter((message) => message === 'WATCHDOG=1').length >= 3);
  await stopped();

  assert.equal(
    first(systemd.messages())[0],
    'READY=1\nSTATUS=ERR_RUNTIME_SOCKET_MISSING; 0 served, 1 pending',
  );
});

test('SIGTERM during a large pass: it finishes the certificates in hand and leaves no file half done', async (t) => {
  const stage = await makeStage(t, { version: '2.6' });
  const names = Array.from({ length: 100 }, (_, index) => `c${String(index).padStart(2, '0')}`);
  const pems = await stage.publishAll(names);
  const { output, sees, stopped, systemd } = await reside(t, stage);
  await sees(() => output.stderr.includes('event=certificate.installed'));

  assert.equal(await stopped(), 0);

  assert.match(output.stderr, /event=agent\.stopped\n$/);
  const files = stage.files();
  assert.ok(files.length > 0 && files.length < names.length, `${files.length} files`);
  assert.ok(files.every((file) => /^c\d\d\.pem$/.test(file)));
  for (const file of files) {
    const name = file.slice(0, -'.pem'.length);
    assert.equal((await stage.handshake(`${name}.test`)).serial, serialOf(pems.get(name) ?? ''));
  }
  assert.deepEqual(systemd.messages(), ['STOPPING=1']);
});

/** As node_exporter's collector reads it: HELP, TYPE, then samples of that name only. */
function parseMetrics(text: string): Map<string, number> {
  const samples = new Map<string, number>();
  let name = '';
  for (const line of text.slice(0, -1).split('\n')) {
    const [, kind, of = ''] = /^# (HELP|TYPE) (pemfleet_agent_[a-z_]+) \S.*$/.exec(line) ?? [];
    if (kind === 'TYPE') assert.ok(line.endsWith(' gauge') && name === of, line);
    if (kind === 'HELP') name = of;
    if (kind !== undefined) continue;
    const sample =
      /^([a-z_]+)(\{[a-z]+="(?:[^"\\\n]|\\[\\"n])*"(?:,[a-z]+="(?:[^"\\\n]|\\[\\"n])*")*\})? (\d+)$/.exec(
        line,
      );
    assert.ok(sample, line);
    assert.equal(sample[1], name);
    assert.ok(!samples.has(line.replace(/ \d+$/, '')), `twice: ${line}`);
    samples.set(line.replace(/ \d+$/, '').replace('pemfleet_agent_', ''), Number(sample[3]));
  }
  assert.ok(text.endsWith('\n') && samples.size > 0);
  return samples;
}

test('metrics for node_exporter: whole files, with what HAProxy serves', async (t) => {
  const stage = await makeStage(t, { version: '3.0' });
  const notAfter = new Date(Math.floor(Date.now() / 1000) * 1000 + 50 * 86_400_000);
  await stage.publish('shop', { names: ['shop.test'], notAfter });
  await stage.publish('bad', { names: ['bad.test'], notAfter: new Date(Date.now() - 1000) });
  const folder = join(stage.dir, 'exporter');
  mkdirSync(folder);
  const file = join(folder, 'pemfleet.prom');
  const begin = Math.floor(Date.now() / 1000);

  const once = await stage.agent('sync', { args: ['--metrics-textfile', file] });

  assert.equal(once.code, 3);
  assert.equal(statSync(file).mode & 0o777, 0o644);
  const seen = parseMetrics(readFileSync(file, 'utf8'));
  const of = (metric: string, name: string) =>
    seen.get(`${metric}{certificate="${name}",file="${name}.pem"}`);
  assert.deepEqual([of('certificate_served', 'shop'), of('certificate_served', 'bad')], [1, 0]);
  assert.equal(of('certificate_expiry_timestamp_seconds', 'shop'), notAfter.getTime() / 1000);
  assert.equal(of('certificate_expiry_timestamp_seconds', 'bad'), undefined);
  assert.deepEqual(
    [seen.get('certificates{state="served"}'), seen.get('certificates{state="failed"}')],
    [1, 1],
  );
  assert.equal(seen.get(`haproxy_up{socket="${stage.haproxy.socket}"}`), 1);
  assert.ok((seen.get('last_poll_timestamp_seconds') ?? 0) >= begin);
});

test('the resident agent: each poll writes its time; a bucket out of reach shows, and the time stands still', async (t) => {
  const stage = await makeStage(t, { version: '3.2' });
  await stage.publish('shop', { names: ['shop.test'] });
  const file = join(stage.dir, 'pemfleet.prom');
  const { sees, stopped } = await reside(t, stage, {}, ['--poll-interval', '1', '--metrics-textfile', file]);
  const read = () => parseMetrics(readFileSync(file, 'utf8'));
  await sees(() => existsSync(file));
  const polledAt = read().get('last_poll_timestamp_seconds') ?? 0;
  await sees(() => (read().get('last_poll_timestamp_seconds') ?? 0) > polledAt);

  renameSync(stage.bucketDir, `${stage.bucketDir}.away`);
  await sees(() => read().get('error{code="ERR_MANIFEST_MISSING"}') === 1);
  const stuckAt = read().get('last_poll_timestamp_seconds');
  rmSync(file);
  await sees(() => existsSync(file));

  assert.equal(read().get('last_poll_timestamp_seconds'), stuckAt);
  assert.equal(read().get('certificate_served{certificate="shop",file="shop.pem"}'), 1);
  assert.equal(await stopped(), 0);
});

test('metrics that cannot be written hold nothing up', async (t) => {
  const stage = await makeStage(t, { version: '3.2' });
  await stage.publish('shop', { names: ['shop.test'] });

  const { code, stderr } = await stage.agent('sync', { args: ['--metrics-textfile', '/nonexistent/p.prom'] });

  assert.equal(code, 0);
  assert.match(stderr, /event=metrics\.failed file=\/nonexistent\/p\.prom code=ENOENT/);
});
