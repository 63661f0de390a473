// The operator undoes: ten hosts with HAProxy and agents of their own prove each word within one poll, and no visitor notices.
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { AuditLine } from '../../../lambda/audit/line.ts';
import type { PassOptions } from '../../../lambda/pass.ts';
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
  /** One poll after it. @returns what became of shop */
  const pass = async (options: PassOptions = {}) => {
    const { outcomes } = await issuer.pass(options);
    await poll();
    const {
      result,
      reason,
      serial = '',
    } = outcomes.find(({ certificate }) => certificate === 'shop') ?? assert.fail();
    return { result, reason, serial };
  };
  const trail = async () => {
    const { status, stdout, stderr } = await issuer.command(['audit', '--json']);
    assert.equal(status, 0, stderr);
    const { lines, problems } = JSON.parse(stdout) as { lines: AuditLine[]; problems: unknown[] };
    assert.deepEqual(problems, []);
    return lines.map(({ action, certificate, after = [] }) => [action, certificate, ...after].join(' '));
  };
  const type = async (...words: string[]) => {
    const { status, stderr } = await issuer.command(words);
    assert.equal(status, 0, `${words.join(' ')}: ${stderr}`);
  };
  const first = (await pass()).serial;
  assert.deepEqual(await servedFor('shop.test'), [first]);
  const before = await trail();
  const loads = await Promise.all(
    hosts.map(({ haproxy }) =>
      startTlsLoad({ port: haproxy.httpsPort, servernames: ['shop.test'], newPerSecond: 5, keepAlive: 1 }),
    ),
  );

  t.after(() => Promise.all(loads.map((load) => load.stop())));

  await type('hold', 'shop', '--reason', 'a freeze');
  await issuer.wantRenewed(readFileSync(join(hosts[0]?.haproxy.certsDir ?? '', 'shop.pem'), 'utf8'));
  assert.deepEqual(await pass(), { result: 'deferred', reason: 'held', serial: first });
  assert.deepEqual(await servedFor('shop.test'), [first]);
  await type('resume', 'shop');
  const { serial: second, ...resumed } = await pass();
  assert.deepEqual(resumed, { result: 'issued', reason: 'renewal-window-past' });
  assert.deepEqual(await servedFor('shop.test'), [second]);

  await type('rollback', 'shop', '--reason', 'an old client breaks');
  await poll();
  assert.deepEqual(await servedFor('shop.test'), [first]);
  assert.deepEqual(await pass(), { result: 'kept', reason: 'fresh', serial: first });

  const [chain, key] = [join(dir, 'chain.pem'), join(dir, 'key.pem')];
  await type('export', 'shop', '--fullchain', chain, '--key', key);
  assert.equal(new X509Certificate(readFileSync(chain)).serialNumber, first);
  assert.equal(statSync(key).mode & 0o777, 0o600);

  const revoked = await issuer.command(['revoke', 'shop', '--reason', 'superseded']);
  assert.equal(revoked.status, 3, 'it waits until each host has proved the replacement');
  await poll();
  const [third = '', ...others] = await servedFor('shop.test');
  assert.deepEqual([others, [first, second, 'none'].includes(third)], [[], false]);
  assert.deepEqual(await pass(), { result: 'kept', reason: 'fresh', serial: third });

  const [gone = ''] = await servedFor('old.test');
  issuer.configure([shop]);
  await type('withdraw', 'old');
  await poll();
  assert.ok(!(await servedFor('old.test')).includes(gone));

  const counts = await Promise.all(loads.map((load) => load.stop()));
  assert.deepEqual(
    counts.flatMap(({ failed, closed }) => [...failed, ...(closed > 0 ? ['closed'] : [])]),
    [],
  );
  assert.ok(counts.every(({ latenciesMs, kept }) => latenciesMs.length > 0 && kept > 0));
  assert.deepEqual((await trail()).slice(before.length), [
    'held shop',
    'resumed shop',
    `renewed shop ${second}`,
    `rolled-back shop ${first}`,
    `exported shop ${first}`,
    'revocation-asked shop',
    `renewed shop ${third}`,
    'revoked-at-ca shop',
    `revoked shop ${third}`,
    'withdrawn old',
  ]);
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
