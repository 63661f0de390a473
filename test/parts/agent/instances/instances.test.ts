// Several HAProxy on one host: one after the other, none stops another, one status.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { stringify } from 'yaml';
import { instanceConfigs } from '../../../../agent/config/config.ts';
import { runLoop } from '../../../../agent/resident/loop.ts';
import { reportFleet } from '../../../../lambda/fleet/report.ts';
import { assertOk } from '../../../support/agent/assess.ts';
import { fleet, host } from '../../../support/agent/host.ts';
import { agentHere, spawnAgent } from '../../../support/agent/program.ts';
import { serialOf } from '../../../support/agent/publish.ts';
import { filesIn, makeStage } from '../../../support/agent/stage.ts';
import { makeWorkDir } from '../../../support/agent/work-dir.ts';
import { handshake } from '../../../support/handshake.ts';
import { type Haproxy, type HaproxyVersion, startHaproxy } from '../../../support/parts/haproxy.ts';
import { testedVersions } from '../../../support/parts/versions.ts';

const settingsOf = (name: string, { socket, certsDir, httpsPort }: Haproxy) => ({
  ...{ name, statsSocket: socket, certsDir },
  handshake: [`127.0.0.1:${httpsPort}`],
});

async function makeTwo(t: TestContext, version: HaproxyVersion) {
  const { workDir } = makeWorkDir(t);
  const stage = await makeStage(t, { version, workDir });
  const inner = await startHaproxy({ version, masterWorker: true });
  t.after(() => inner.stop());
  const config = join(stage.dir, 'agent.yaml');
  const common = { bucket: stage.bucket.url, fleet, host, stateDir: stage.stateDir };
  const haproxy = [settingsOf('edge', stage.haproxy), settingsOf('inner', inner)];
  writeFileSync(config, stringify({ ...common, haproxy }));
  const serials = async (name: string) =>
    Promise.all(
      [stage.haproxy, inner].map(
        async ({ httpsPort }) => (await handshake({ port: httpsPort, servername: name })).serial,
      ),
    );
  return {
    stage,
    inner,
    config,
    serials,
    sync: (...args: string[]) => spawnAgent(['sync', '--config', config, ...args]),
  };
}

for (const version of testedVersions()) {
  test(`${version}: two HAProxy get the same certificates, and are one host to the issuer`, async (t) => {
    const { stage, inner, config, serials, sync } = await makeTwo(t, version);
    await stage.publish('shop', { names: ['shop.test'] });
    assertOk(await sync());
    const pem = await stage.publish('shop', { names: ['shop.test'] });

    assertOk(await sync());

    assert.deepEqual(await serials('shop.test'), [serialOf(pem), serialOf(pem)]);
    const status = await stage.status();
    assert.deepEqual(
      status.haproxy.map(({ name, pid }) => [name, pid]),
      [
        ['edge', await stage.haproxy.pid()],
        ['inner', await inner.pid()],
      ],
    );
    assert.deepEqual(
      status.files.map(({ instance, file, state }) => [instance, file, state]),
      [
        ['edge', 'shop.pem', 'served'],
        ['inner', 'shop.pem', 'served'],
      ],
    );
    const statuses = { statuses: [status], unreadable: [] };
    assert.deepEqual(reportFleet(await stage.manifest(), statuses, new Date()).certificates[0]?.served, [
      host,
    ]);
    const shown = await spawnAgent(['status', '--config', config]);
    assert.match(shown.stdout, /^edge\/shop\.pem +served .*^inner\/shop\.pem +served /ms);
    const json = JSON.parse((await sync('--json')).stdout) as {
      files: { instance: string; state: string }[];
    };
    assert.deepEqual(
      json.files.map(({ instance, state }) => [instance, state]),
      [
        ['edge', 'served'],
        ['inner', 'served'],
      ],
    );
    const again = await sync();
    assert.doesNotMatch(again.stderr, /status\.reported|certificate\.loaded/);
  });

  test(`${version}: one that is down or has no directory stops no other, and the status says which`, async (t) => {
    const { stage, inner, config, serials, sync } = await makeTwo(t, version);
    await stage.publish('shop', { names: ['shop.test'] });
    assertOk(await sync());
    await stage.haproxy.stop();
    const pem = await stage.publish('shop', { names: ['shop.test'] });

    const down = await sync();
    const states = (await stage.status()).files.map(({ instance, state }) => [instance, state]);
    const away = { ...settingsOf('edge', stage.haproxy), certsDir: '/nonexistent' };
    writeFileSync(
      config,
      stringify({
        ...{ bucket: stage.bucket.url, fleet, host, stateDir: stage.stateDir },
        haproxy: [away, settingsOf('inner', inner)],
      }),
    );
    const newer = await stage.publish('shop', { names: ['shop.test'] });
    const broken = await sync();

    assert.equal(down.code, 3, down.stderr);
    assert.deepEqual(states, [
      ['edge', 'pending'],
      ['inner', 'served'],
    ]);
    assert.equal(broken.code, 1, broken.stderr);
    assert.match(broken.stderr, /event=run\.failed instance=edge code=ERR_CERTS_DIRECTORY/);
    assert.notEqual(serialOf(pem), serialOf(newer));
    assert.equal(
      (await handshake({ port: inner.httpsPort, servername: 'shop.test' })).serial,
      serialOf(newer),
    );
    assert.equal((await stage.status()).error?.code, 'ERR_CERTS_DIRECTORY');
    assert.ok(serials);
  });
}

test('the resident agent sees that the second one was reloaded', async (t) => {
  const { stage, inner, config } = await makeTwo(t, '3.2');
  await stage.publish('shop', { names: ['shop.test'] });
  const events: string[] = [];
  const main = await agentHere(['--config', config], (event) => events.push(event));
  const runtimes = await Promise.all(
    instanceConfigs(main.config).map(async (one) => ({
      ...main,
      config: one,
      runtime: (await agentHere([...stage.flags, '--stats-socket', one.haproxy.statsSocket], () => undefined))
        .runtime,
    })),
  );
  const stop = new AbortController();
  const passes: number[] = [];
  const sleep = async () => {
    passes.push(events.filter((event) => event === 'run.finished').length);
    if (passes.length === 2) await inner.reload();
    if (passes.length === 3) stop.abort();
  };

  await runLoop({ agent: { ...main, instances: runtimes }, signal: stop.signal, sleep, random: () => 0 });

  assert.deepEqual(passes, [2, 2, 4]);
});

test('two HAProxy: what the manifest lacks stays in both, what a tombstone ends leaves both', async (t) => {
  const { stage, inner, serials, sync } = await makeTwo(t, '3.2');
  const pem = await stage.publish('shop', { names: ['shop.test'] });
  await stage.publish('other', { names: ['other.test'] });
  assertOk(await sync());
  await stage.unpublish('shop');

  assertOk(await sync());
  const { files } = await stage.status();
  assert.deepEqual(
    files.filter(({ isUnlisted }) => isUnlisted).map(({ instance, file, state }) => [instance, file, state]),
    [
      ['edge', 'shop.pem', 'served'],
      ['inner', 'shop.pem', 'served'],
    ],
  );
  assert.deepEqual(await serials('shop.test'), [serialOf(pem), serialOf(pem)]);
  await stage.withdraw('shop');
  assertOk(await sync());

  assert.deepEqual(
    [filesIn(stage.haproxy.certsDir), filesIn(inner.certsDir)],
    [['other.pem'], ['other.pem']],
  );
});
