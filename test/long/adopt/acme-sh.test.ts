// From the real acme.sh with its deploy hook for HAProxy: its certificate, its account, its line in no crontab of this machine.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { copyFileSync, cpSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { fetchPeer } from '../../bench/peers.mjs';
import { oldMachine } from '../../support/adopt/old-machine.ts';
import { asRoot } from '../../support/as-root.ts';
import { startDns } from '../../support/parts/dns.ts';
import { startPebble } from '../../support/parts/pebble.ts';
import { freePort } from '../../support/ports.ts';
import { until } from '../../support/process.ts';

const run = promisify(execFile);

test('acme.sh with its hook for HAProxy: nothing is ordered; the next renewal is ours, of the same account; --undo before it leaves the tree as it was', async (t) => {
  const [program = ''] = (await fetchPeer('acme.sh', () => undefined)).command;
  const httpPort = await freePort();
  const dns = await startDns();
  t.after(() => dns.stop());
  const pebble = await startPebble({ httpPort, noSleep: true, dnsServer: dns.address });
  t.after(() => pebble.stop());
  const machine = await oldMachine(t, { version: '3.2', httpPort });
  const { home, certs, adopt, agent, pemfleet, visit, snapshot, standalone } = machine;
  const haproxy = await machine.start();
  const acme = join(home, '.acme.sh');
  mkdirSync(acme);
  cpSync(join(dirname(dirname(program)), 'root/usr/share/acme.sh/deploy'), join(acme, 'deploy'), {
    recursive: true,
  });
  copyFileSync(pebble.caFile, join(home, 'ca.pem'));
  await machine.respondFrom(join(home, 'www'));
  const words = ['--home', acme, '--server', pebble.directoryUrl, '--ca-bundle', join(home, 'ca.pem')];
  await run(program, [
    ...words,
    '--issue',
    '--keylength',
    'ec-256',
    '-d',
    'shop.test',
    '-w',
    join(home, 'www'),
  ]);
  const env = { ...process.env, DEPLOY_HAPROXY_PEM_PATH: certs, DEPLOY_HAPROXY_RELOAD: 'true' };
  await run(program, ['--home', acme, '--deploy', '-d', 'shop.test', '--ecc', '--deploy-hook', 'haproxy'], {
    env,
  });
  machine.own();
  asRoot('kill', '-USR2', String(haproxy.pid));
  await until(async () => (await visit('shop.test')) !== undefined, haproxy.ended, 20_000);
  const [old, serves, orders] = [snapshot(), await visit('shop.test'), pebble.ordersMade()];
  const take = () => adopt('--from', 'acme.sh', '--dir', acme, '--yes', '--json');

  const first = take();
  assert.equal(first.status, 0, first.stderr);
  const { certificates, accounts, todos } = JSON.parse(first.stdout);
  assert.deepEqual([certificates.length, accounts.length, accounts[0].client], [1, 1, 'acme.sh']);
  assert.match(todos[0], /where another program answers: pemfleet init --apply/);
  assert.equal(agent('sync').status, 0);
  assert.equal(await visit('shop.test'), serves);
  assert.equal(adopt('--undo').status, 0);
  assert.deepEqual(snapshot(), old);
  machine.forgetState();
  assert.equal(take().status, 0);
  machine.stopWeb();
  await machine.respond('--listen', `127.0.0.1:${standalone}`);
  const renewed = pemfleet('renew', 'shop.test');

  assert.equal(renewed.status, 0, renewed.stderr);
  assert.match(renewed.stderr, /order\.created .*replaces=/);
  assert.equal(agent('sync').status, 0);
  assert.notEqual(await visit('shop.test'), serves);
  assert.equal(pebble.ordersMade(), orders + 1);
  assert.equal(
    readFileSync(join(acme, 'ca', '127.0.0.1', 'dir', 'account.key'), 'utf8').includes('PRIVATE KEY'),
    true,
  );
});
