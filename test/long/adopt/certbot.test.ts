// From the real certbot to pemfleet: its certificate, its account, its port for challenges; then the renewal, then back.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { fetchPeer } from '../../bench/peers.mjs';
import { oldMachine } from '../../support/adopt/old-machine.ts';
import { asRoot } from '../../support/as-root.ts';
import { startDns } from '../../support/parts/dns.ts';
import { startPebble } from '../../support/parts/pebble.ts';
import { freePort } from '../../support/ports.ts';
import { until } from '../../support/process.ts';
import { startTlsLoad } from '../../support/tls-load.ts';

const run = promisify(execFile);

test('certbot with HAProxy: one command, no order, no failed request; the next renewal is ours, of the same account; --undo leaves the tree as it was', async (t) => {
  const certbot = await fetchPeer('certbot', () => undefined);
  const httpPort = await freePort();
  const dns = await startDns();
  t.after(() => dns.stop());
  const pebble = await startPebble({ httpPort, noSleep: true, dnsServer: dns.address });
  t.after(() => pebble.stop());
  const machine = await oldMachine(t, { version: '3.0', httpPort });
  const { home, certs, adopt, snapshot, haproxyConfig, visit, agent, pemfleet, standalone } = machine;
  const haproxy = await machine.start();
  const letsencrypt = join(home, 'letsencrypt');
  const pem = join(certs, 'www.example.com.pem');
  const hook = join(home, 'deploy.sh');
  writeFileSync(
    hook,
    `#!/bin/sh\ncat $RENEWED_LINEAGE/fullchain.pem $RENEWED_LINEAGE/privkey.pem > ${pem}\n`,
    { mode: 0o755 },
  );
  const words = [
    'certonly',
    '-n',
    '--agree-tos',
    '-m',
    'ops@example.com',
    '--no-verify-ssl',
    '--server',
    pebble.directoryUrl,
  ];
  const place = ['--config-dir', letsencrypt, '--work-dir', join(home, 'w'), '--logs-dir', join(home, 'l')];
  const [program = '', ...first] = certbot.command;
  await run(program, [
    ...first,
    ...words,
    ...place,
    '--standalone',
    '--http-01-port',
    String(standalone),
    '--deploy-hook',
    hook,
    '-d',
    'www.example.com',
    '-d',
    'example.com',
  ]);
  writeFileSync(join(home, 'ca.pem'), readFileSync(pebble.caFile));
  machine.own();
  asRoot('kill', '-USR2', String(haproxy.pid));
  await until(async () => (await visit('www.example.com')) !== undefined, haproxy.ended, 20_000);
  const [old, config, serves] = [snapshot(), readFileSync(haproxyConfig), await visit('www.example.com')];
  const orders = pebble.ordersMade();
  const load = await startTlsLoad({
    ...{ port: machine.https, servernames: ['www.example.com', 'example.com'] },
    ...{ newPerSecond: 20, keepAlive: 5 },
  });
  const take = ['--from', 'certbot', '--dir', letsencrypt, '--ca-file', join(home, 'ca.pem'), '--yes'];

  const begin = performance.now();
  const [adopting = '', ...rest] = machine.adoptWords(...take);
  const { stdout } = await run(adopting, rest);
  const tookMs = performance.now() - begin;
  const synced = agent('sync');
  const { failed, closed } = await load.stop();

  assert.ok(tookMs < 10_000, `${tookMs} ms`);
  assert.deepEqual([failed, closed, synced.status], [[], 0, 0], synced.stderr);
  assert.match(stdout, /account {3}of certbot at \S+: https:/);
  assert.match(stdout, /renew_hook = \S+deploy\.sh/);
  assert.match(stdout, new RegExp(`the responder listens on 127\\.0\\.0\\.1:${standalone}`));
  assert.deepEqual(readFileSync(haproxyConfig), config);
  assert.equal(await visit('www.example.com'), serves);
  assert.equal(adopt('--undo').status, 0);
  assert.deepEqual(snapshot(), old);
  machine.forgetState();

  assert.equal(adopt(...take).status, 0);
  await machine.respond('--listen', `127.0.0.1:${standalone}`);
  const pass = pemfleet('run');
  assert.match(pass.stderr, /finished issued=0 failed=0 deferred=0/);
  assert.equal(pebble.ordersMade(), orders);
  const renewed = pemfleet('renew', 'www.example.com');
  assert.equal(renewed.status, 0, renewed.stderr);
  assert.match(renewed.stderr, /order\.created .*replaces=/);
  assert.doesNotMatch(renewed.stderr, /account\.created/);
  assert.equal(agent('sync').status, 0);
  assert.notEqual(await visit('www.example.com'), serves);
  assert.equal(pebble.ordersMade(), orders + 1);
  const back = adopt('--undo');
  assert.equal(back.status, 0, back.stderr);
  assert.match(back.stdout, /www\.example\.com\.pem keeps its certificate/);
});
