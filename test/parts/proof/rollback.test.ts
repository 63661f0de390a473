/** An operator rolls a certificate back: three hosts with HAProxy of their own have the old one within one poll, and no visitor notices. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { handshake } from '../../support/handshake.ts';
import { startScene } from '../../support/proof/scene.ts';
import { startTlsLoad } from '../../support/tls-load.ts';

const shop = { name: 'shop', identifiers: ['shop.test'], fleets: ['edge'] };

test('rollback puts the old serial back on all hosts within one poll, without a failed request; the next pass keeps it', async (t) => {
  const hostCount = Number(process.env['ROLLBACK_HOSTS'] ?? 3);
  const fleets = Array.from({ length: hostCount }, () => 'edge');
  const { issuer, hosts, stop } = await startScene({ version: '3.2', fleets, certificates: [shop] });
  t.after(stop);
  const poll = () => Promise.all(hosts.map((host) => host.pass()));
  const served = () =>
    Promise.all(
      hosts.map(
        async ({ haproxy }) => (await handshake({ port: haproxy.httpsPort, servername: 'shop.test' })).serial,
      ),
    );
  const serialAfter = async (force: boolean) => {
    const { outcomes } = await issuer.pass({ force });
    await poll();
    return outcomes[0]?.serial ?? '';
  };
  const [first, second] = [await serialAfter(false), await serialAfter(true)];
  assert.deepEqual(
    await served(),
    hosts.map(() => second),
  );
  await issuer.pass();
  const loads = await Promise.all(
    hosts.map(({ haproxy }) =>
      startTlsLoad({ port: haproxy.httpsPort, servernames: ['shop.test'], newPerSecond: 10, keepAlive: 1 }),
    ),
  );

  const rolledBack = await issuer.command([
    'rollback',
    'shop',
    '--reason',
    'the new one breaks an old client',
  ]);
  await poll();

  assert.equal(rolledBack.status, 0, rolledBack.stderr);
  assert.deepEqual(
    await served(),
    hosts.map(() => first),
  );
  const counts = await Promise.all(loads.map((load) => load.stop()));
  assert.deepEqual(
    counts.flatMap(({ failed, closed }) => [...failed, ...(closed > 0 ? ['closed'] : [])]),
    [],
  );
  assert.ok(counts.every(({ latenciesMs }) => latenciesMs.length > 0));
  const { outcomes } = await issuer.pass();
  assert.deepEqual(
    outcomes.map(({ result, serial }) => [result, serial]),
    [['kept', first]],
  );
  const status = await issuer.command(['status']);
  assert.match(status.stdout + status.stderr, new RegExp(`note: shop: rolled back to ${first} `));
  const trail = JSON.parse((await issuer.command(['audit', '--json'])).stdout);
  assert.deepEqual(
    [trail.problems, trail.lines.at(-1).action, trail.lines.at(-1).before],
    [[], 'rolled-back', [second]],
  );
  const asked = await issuer.command(['audit', '--serial', second, '--json']);
  const { hosts: exposures } = JSON.parse(asked.stdout);
  assert.equal(exposures.length, hostCount);
  assert.ok(exposures.every(({ gone, isProved }: { gone?: string; isProved: boolean }) => gone && isProved));
});
