// The npm package's programs under the units, run by the Node 20 that Debian 13 ships, as docs/standalone.md says.
// The tests are the chapters of one life, in order.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { configureByHand, installFromNpm } from './by-hand.ts';
import { startTree, type Tree } from './tree.ts';

let tree: Tree;
before(async () => {
  tree = await startTree('nspawn-13');
});
after(() => tree?.stop());

const serialOf = async (name: string) => (await tree.handshake(name)).serial;

test("the distribution's own Node 20 runs issuer, responder and agent under their units: served within a minute", async (t) => {
  await installFromNpm(tree);
  await configureByHand(tree, ['shop.test']);
  assert.match(await tree.shell('node --version'), /^v20\./);

  await tree.shell('systemctl enable --now pemfleet.target');

  t.diagnostic(`served ${(await tree.served('shop.test')).toFixed(1)} s after the target was started`);
  assert.equal(await tree.shell('systemctl --failed --no-legend --plain'), '');
});

test('the responder has a user of its own, which can read answers to challenges and nothing else', async () => {
  const pid = await tree.shell('systemctl show --value -p MainPID pemfleet-responder');
  const status = await tree.shell(`cat /proc/${pid.trim()}/status; id -u pemfleet-responder`);
  const as = (script: string) =>
    tree.shell(`runuser -u pemfleet-responder -- sh -c '${script}' || echo "refused"`);

  assert.equal(/^Uid:\s+(\d+)/m.exec(status)?.[1], status.trim().split('\n').at(-1));
  assert.match(status, /^Groups:\s+\d+ *$/m);
  for (const path of ['issuer', 'published', 'published/default', 'status', '.', 'challenge']) {
    assert.match(await as(`ls /var/lib/pemfleet/bucket/${path}`), /refused/, path);
  }
  const found = await tree.shell('find /var/lib/pemfleet /etc/haproxy/certs -type f');
  for (const file of found.trim().split('\n')) {
    assert.match(await as(`cat ${file}`), /Permission denied[\s\S]*refused/, file);
  }
});

/** Waits until the journal of a unit has these words. */
const said = (unit: string, words: string, options = '') =>
  tree.shell(
    `for i in $(seq 100); do journalctl -b -o cat --no-pager -u ${unit} ${options} | grep -F '${words}' && exit 0; sleep 0.1; done; journalctl -b --no-pager -u ${unit}; exit 1`,
  );

test('pass and status are units that fail: an error in the journal, and the alarm, until they succeed', async () => {
  const alarms = ['pemfleet', 'pemfleet-status'].map((unit) => [unit, `pemfleet-alarm@${unit}`] as const);
  await tree.shell('mv /etc/pemfleet/pemfleet.yaml /root/');
  await tree.shell('systemctl start pemfleet; systemctl start pemfleet-status; true');

  assert.equal(await tree.shell('systemctl is-failed pemfleet pemfleet-status'), 'failed\nfailed\n');
  await said('pemfleet', 'ERR_CONFIG /etc/pemfleet/pemfleet.yaml: there is no such file', '-p err');
  for (const [unit, alarm] of alarms) {
    await said(alarm, `lb1: ${unit} has failed (exit-code, exit status 78)`, '-p err');
  }

  await tree.shell('mv /root/pemfleet.yaml /etc/pemfleet/; systemctl start pemfleet pemfleet-status');
  for (const [unit, alarm] of alarms) await said(alarm, `lb1: ${unit} works again`);
});

test('both timers wait for their time, and a stopped target stops all of it', async () => {
  const waiting = "systemctl list-timers --no-legend 'pemfleet*' | grep -oE 'pemfleet\\S*timer' | sort";
  assert.equal(await tree.shell(waiting), 'pemfleet-start.timer\npemfleet-status.timer\npemfleet.timer\n');

  await tree.shell('systemctl stop pemfleet.target');
  const running = "systemctl list-units --no-legend --plain --state=active 'pemfleet*'";
  assert.equal(await tree.shell(running), '');
  assert.ok(await serialOf('shop.test'), 'HAProxy serves on');
  await tree.shell('systemctl start pemfleet.target');
});

test('what is published is served at once: the agent watches the directory, and does not wait for its poll', async (t) => {
  const before = await serialOf('shop.test');
  await tree.shell('runuser -u pemfleet -- pemfleet run --force-renewal -q');
  const begin = performance.now();

  while ((await serialOf('shop.test')) === before) {
    assert.ok(performance.now() - begin < 20_000, 'not served within 20 s');
  }
  t.diagnostic(`served ${Math.round(performance.now() - begin)} ms after the pass has ended`);
});

test('after a reboot: served before anything is issued, and a pass comes at once', async () => {
  const before = await serialOf('shop.test');
  await tree.machine.shutDown();
  await tree.machine.boot();

  await tree.served('shop.test');
  assert.equal(await serialOf('shop.test'), before);
  await tree.shell(
    'for i in $(seq 300); do journalctl -b -o cat -u pemfleet | grep -q run.finished && exit 0; sleep 0.1; done; exit 1',
  );
});

test('commands that root types go on as the right user: with a Node that may not change its user while io_uring is on, too', async () => {
  const before = await serialOf('shop.test');
  const output = await tree.shell('pemfleet run --force-renewal && pemfleet-agent sync');

  assert.notEqual(await serialOf('shop.test'), before, output);
  const foreign = 'find /var/lib/pemfleet /var/lib/pemfleet-agent /etc/haproxy/certs -user root';
  assert.equal(await tree.shell(foreign), '');
});
