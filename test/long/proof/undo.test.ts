// The operator undoes: ten hosts with HAProxy and agents of their own prove each word within one poll, and no visitor notices.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { handshake } from '../../support/handshake.ts';
import { startScene } from '../../support/proof/scene.ts';
import { startTlsLoad } from '../../support/tls-load.ts';

const HOSTS = Number(process.env['UNDO_HOSTS'] ?? 10);
const shop = { name: 'shop', identifiers: ['shop.test'], fleets: ['edge'] };
const old = { name: 'old', identifiers: ['old.test'], fleets: ['edge'] };

test('rollback, hold, resume, export, revoke and withdraw on ten hosts: each proved within one poll, each in the trail, no failed request', async (t) => {
  const fleets = Array.from({ length: HOSTS }, () => 'edge');
  const { issuer, hosts, dir, stop } = await startScene({
    version: '3.2',
    fleets,
    certificates: [shop, old],
  });
  t.after(stop);
  const poll = () => Promise.all(hosts.map((host) => host.pass()));
  /** By all hosts, each once. */
  const servedFor = async (servername: string) => {
    const serials = await Promise.all(
      hosts.map(({ haproxy }) =>
        handshake({ port: haproxy.httpsPort, servername }).then(
          ({ serial }) => serial,
          () => 'none',
        ),
      ),
    );
    return [...new Set(serials)];
  };
  const renewed = async (force: boolean) => {
    const { outcomes } = await issuer.pass({ force });
    await poll();
    return outcomes.find(({ certificate }) => certificate === 'shop')?.serial ?? '';
  };
  const actions: string[] = [];
  /** Typed, and said in the trail. */
  const type = async (action: string, ...words: string[]) => {
    const { status, stderr } = await issuer.command(words);
    assert.equal(status, 0, `${words.join(' ')}: ${stderr}`);
    const { lines, problems } = JSON.parse((await issuer.command(['audit', '--json'])).stdout);
    assert.deepEqual(problems, []);
    assert.equal(lines.at(-1).action, action, words.join(' '));
    actions.push(action);
  };
  const [first, second] = [await renewed(false), await renewed(true)];
  assert.deepEqual(await servedFor('shop.test'), [second]);
  const loads = await Promise.all(
    hosts.map(({ haproxy }) =>
      startTlsLoad({ port: haproxy.httpsPort, servernames: ['shop.test'], newPerSecond: 5, keepAlive: 1 }),
    ),
  );

  t.after(() => Promise.all(loads.map((load) => load.stop())));

  await type('rolled-back', 'rollback', 'shop', '--reason', 'an old client breaks');
  await poll();
  assert.deepEqual(await servedFor('shop.test'), [first]);

  await type('held', 'hold', 'shop', '--reason', 'a freeze');
  // Without the hold, it would be renewed.
  assert.equal((await issuer.command(['run', '--force-renewal'])).status, 0);
  await poll();
  assert.deepEqual(await servedFor('shop.test'), [first]);
  await type('resumed', 'resume', 'shop');
  const third = await renewed(true);
  assert.deepEqual(await servedFor('shop.test'), [third]);
  assert.notEqual(third, first);

  await type(
    'exported',
    'export',
    'shop',
    '--fullchain',
    join(dir, 'chain.pem'),
    '--key',
    join(dir, 'key.pem'),
  );
  assert.equal(statSync(join(dir, 'key.pem')).mode & 0o777, 0o600);

  const revoked = await issuer.command(['revoke', 'shop', '--reason', 'superseded']);
  assert.equal(revoked.status, 3, 'it waits until each host has proved the replacement');
  await poll();
  assert.equal((await servedFor('shop.test')).includes(third), false);
  assert.equal((await issuer.command(['run'])).status, 0);
  const trail = JSON.parse((await issuer.command(['audit', 'shop', '--json'])).stdout);
  assert.ok(trail.lines.some(({ action }: { action: string }) => action === 'revoked-at-ca'));

  const [gone] = await servedFor('old.test');
  issuer.configure([shop]);
  await type('withdrawn', 'withdraw', 'old');
  await poll();
  assert.equal((await servedFor('old.test')).includes(gone ?? ''), false);

  const counts = await Promise.all(loads.map((load) => load.stop()));
  assert.deepEqual(
    counts.flatMap(({ failed, closed }) => [...failed, ...(closed > 0 ? ['closed'] : [])]),
    [],
  );
  assert.ok(counts.every(({ latenciesMs, kept }) => latenciesMs.length > 0 && kept > 0));
  assert.deepEqual(actions, ['rolled-back', 'held', 'resumed', 'exported', 'withdrawn']);
  assert.equal((await issuer.command(['audit', '--verify'])).status, 0);
  flipByte(join(issuer.bucketDir, 'issuer/audit'));
  const verified = await issuer.command(['audit', '--verify']);
  assert.equal(verified.status, 1, verified.stdout + verified.stderr);
});

/** In the middle of the first file of lines. */
function flipByte(directory: string): void {
  const [file] = readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .map((name) => join(directory, name))
    .filter((path) => statSync(path).isFile())
    .sort((a, b) => statSync(b).size - statSync(a).size);
  if (file === undefined) throw new TypeError('there is no trail');
  const body = readFileSync(file);
  const at = body.length >> 1;
  body[at] = (body[at] ?? 0) ^ 1;
  writeFileSync(file, body);
}
