import assert from 'node:assert/strict';
import { test } from 'node:test';
import { metricsText } from '../../../../agent/resident/metrics.ts';
import { openSdNotifier } from '../../../../agent/resident/sd-notify.ts';
import { SystemdNotifications } from '../../../../agent/resident/systemd.ts';

test('the watchdog starves when a pass hangs, not while the loop sleeps', (t) => {
  t.mock.timers.enable({ apis: ['setInterval', 'Date'] });
  const sent: string[] = [];
  const notifier = { send: (...words: string[]) => void sent.push(...words), flush: async () => undefined };
  const now = () => new Date();
  const systemd = new SystemdNotifications({ notifier, watchdogUsec: '180000000', now, monotonic: () => 0n });
  const fed = (minutes: number) => {
    sent.length = 0;
    for (let half = 0; half < minutes * 2; half += 1) t.mock.timers.tick(30_000);
    return sent.length;
  };
  const log = systemd.watchLog(() => undefined);

  assert.equal(fed(9), 6, 'a long pass');
  log('certificate.loaded');
  assert.equal(fed(9), 6, 'it goes on');
  assert.equal(fed(30), 0, 'stuck');
  systemd.beginSleep();
  assert.equal(fed(60), 40, 'asleep');
  systemd.endSleep();
  assert.equal(fed(9), 6, 'awake');
});

test('without systemd no process is started', async () => {
  const notifier = openSdNotifier(undefined, () => assert.fail('no event is expected'));

  notifier.send('READY=1');

  await notifier.flush();
});

test('a systemd that does not listen: one warning per message', async () => {
  const events: string[] = [];
  const notifier = openSdNotifier('/nonexistent.sock', (event) => events.push(event));

  notifier.send('READY=1');
  notifier.send('STOPPING=1');
  await notifier.flush();

  assert.deepEqual(events, ['notify.failed', 'notify.failed']);
});

test('a label value keeps quotes, backslashes and line ends to itself', () => {
  const text = metricsText({
    version: '0"1\\\n',
    fleet: 'edge',
    host: 'lb1',
    status: undefined,
    polledAt: undefined,
    code: undefined,
  });

  assert.ok(text.includes('pemfleet_agent_info{version="0\\"1\\\\\\n",fleet="edge",host="lb1"} 1\n'));
  assert.ok(!text.includes('\n\n'));
});

test('each condition of the host is a sample', () => {
  const since = '2026-11-27T09:00:00.000Z';
  const conditions = ['frozen-manifest', 'key-unverified'].map((condition) => ({
    condition,
    since,
    message: '',
  }));
  const status = {
    version: 1,
    fleet: 'edge',
    host: 'lb1',
    reportedAt: since,
    agent: { version: '0' },
    haproxy: [],
    files: [],
  };

  const text = metricsText({
    ...{ version: '0', fleet: 'edge', host: 'lb1', polledAt: undefined, code: undefined },
    status: { ...status, conditions } as never,
  });

  assert.match(text, /^pemfleet_agent_condition\{condition="frozen-manifest"\} 1$/m);
  assert.match(text, /^pemfleet_agent_condition\{condition="key-unverified"\} 1$/m);
});
