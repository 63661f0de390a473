// Several HAProxy on one host: doctor, the first boot and the metrics, each for all of them.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { stringify } from 'yaml';
import { OWNERSHIP_FILE } from '../../../../agent/state/ownership.ts';
import { assertOk } from '../../../support/agent/assess.ts';
import { byList } from '../../../support/agent/configs.ts';
import { fleet, host } from '../../../support/agent/host.ts';
import { spawnAgent } from '../../../support/agent/program.ts';
import { filesIn, type Stage, stageOn } from '../../../support/agent/stage.ts';
import { type HaproxyVersion, haproxyVersions, startHaproxy } from '../../../support/parts/haproxy.ts';
import { freePort } from '../../../support/ports.ts';
import { makeTempDir } from '../../../support/temp-dir.ts';

interface TwoHosts {
  stage: Stage;
  /** `edge` loads a directory, `inner` by a crt-list. */
  certs: Record<'edge' | 'inner', string>;
  list: string;
  agent(command: string, ...args: string[]): ReturnType<typeof spawnAgent>;
  boot(t: TestContext, version: HaproxyVersion): Promise<void>;
  metrics: string;
}

async function makeTwo(t: TestContext, placeholder: boolean): Promise<TwoHosts> {
  const place = makeTempDir();
  t.after(() => place.remove());
  const names = ['edge', 'inner'] as const;
  const [edge, inner] = await Promise.all(
    names.map(async (name) => {
      const certsDir = join(place.path, name, 'certs');
      mkdirSync(certsDir, { recursive: true, mode: 0o700 });
      return { name, dir: join(place.path, name), certsDir, port: await freePort() };
    }),
  );
  if (edge === undefined || inner === undefined) throw new TypeError('two');
  const list = join(inner.certsDir, 'crt-list.txt');
  const settings = [edge, inner].map(({ name, dir, certsDir, port }) => ({
    ...{ name, statsSocket: join(dir, 'admin.sock'), certsDir, placeholder },
    ...{ handshake: [`127.0.0.1:${port}`], ...(name === 'inner' && { crtListFile: list }) },
  }));
  const absent = { certsDir: edge.certsDir, httpsPort: edge.port, socket: '/nonexistent' };
  const stage = await stageOn(absent as Parameters<typeof stageOn>[0], place.path);
  const [config, metrics] = [join(place.path, 'agent.yaml'), join(place.path, 'pemfleet.prom')];
  const common = { bucket: stage.bucket.url, fleet, host, stateDir: stage.stateDir };
  writeFileSync(config, stringify({ ...common, haproxy: settings, metrics: { textfile: metrics } }));
  return {
    ...{ stage, list, metrics, certs: { edge: edge.certsDir, inner: inner.certsDir } },
    agent: (command, ...args) => spawnAgent([command, '--config', config, ...args]),
    boot: async (test, version) => {
      for (const { name, dir, port } of [edge, inner]) {
        const configText = name === 'inner' ? { configText: byList(list).replace(' strict-sni', '') } : {};
        const options = { version, workDir: dir, httpsPort: port, masterWorker: true };
        const haproxy = await startHaproxy({ ...options, ...configText });
        test.after(() => haproxy.stop());
      }
    },
  };
}

for (const version of haproxyVersions) {
  test(`${version}: without any certificate each gets its placeholder, and starts; with the first one each lets it go`, async (t) => {
    const { stage, certs, list, agent, boot } = await makeTwo(t, true);
    const booted = await agent('sync', '--wait=0');
    assert.equal(booted.code, 0, booted.stderr);
    assert.deepEqual(filesIn(certs.edge), ['PLACEHOLDER.pem']);
    assert.equal(readFileSync(list, 'utf8'), `${certs.inner}/PLACEHOLDER.pem\n`);
    await boot(t, version);

    await stage.publish('shop', { names: ['shop.test'] });
    const done = await agent('sync');

    assertOk(done);
    assert.deepEqual(filesIn(certs.edge), ['shop.pem']);
    assert.deepEqual(filesIn(certs.inner), ['crt-list.txt', 'shop.pem']);
    assert.equal(readFileSync(list, 'utf8'), `${certs.inner}/shop.pem\n`);
    assertOk(await agent('sync'));
  });
}

test('the first boot waits for each: what one has is not enough for the other', async (t) => {
  const { stage, certs, list, agent } = await makeTwo(t, false);
  await stage.publish('shop', { names: ['shop.test'] });
  assert.equal((await agent('sync', '--wait=10')).code, 0);
  await stage.dropManifests();
  assert.equal((await agent('sync', '--wait=10')).code, 0, 'the last good set of both');

  writeFileSync(list, '');
  rmSync(stage.stateDir, { recursive: true });
  const restored = await agent('sync', '--wait=0');
  assert.equal(restored.code, 0, 'the record beside the file knows it as ours: its line comes back');
  assert.match(readFileSync(list, 'utf8'), /shop\.pem/);

  writeFileSync(list, '');
  rmSync(stage.stateDir, { recursive: true });
  rmSync(join(certs.inner, OWNERSHIP_FILE));
  const unlisted = await agent('sync', '--wait=0');
  rmSync(certs.inner, { recursive: true });
  const broken = await agent('sync', '--wait=60');

  assert.equal(unlisted.code, 1, unlisted.stderr);
  assert.equal(broken.code, 1, broken.stderr);
  assert.match(broken.stderr, /event=boot\.last-good files=1 code=ERR_CERTS_DIRECTORY/);
});

test('doctor says of which HAProxy each finding is; metrics have each of them, and no sample twice', async (t) => {
  const { stage, certs, list, agent, boot, metrics } = await makeTwo(t, true);
  await stage.publish('shop', { names: ['shop.test'] });
  assert.equal((await agent('sync', '--wait=10')).code, 0);
  await boot(t, '3.2');
  assertOk(await agent('sync'));
  writeFileSync(join(certs.edge, 'README'), 'certificates of the shop\n', { mode: 0o600 });
  writeFileSync(list, `${readFileSync(list, 'utf8')}${certs.inner}/gone.pem\n`);

  const { stdout, code } = await agent('doctor', '--json');
  const text = await agent('doctor');
  const usage = await agent('doctor', '--haproxy-config', '/etc/haproxy/haproxy.cfg');

  const { findings } = JSON.parse(stdout) as {
    findings: { instance?: string; id: string; severity: string }[];
  };
  const errors = findings
    .filter(({ severity }) => severity === 'error')
    .map(({ instance, id }) => [instance, id]);
  assert.deepEqual(
    [code, errors],
    [
      1,
      [
        ['edge', 'file-stray'],
        ['inner', 'crt-list-file-missing'],
      ],
    ],
  );
  assert.match(text.stdout, /^error {4}file-stray: edge: README /m);
  assert.equal(usage.code, 64, usage.stderr);
  const samples = readFileSync(metrics, 'utf8')
    .split('\n')
    .filter((line) => /^[^#]/.test(line));
  const series = samples.map((line) => line.replace(/ \S+$/, ''));
  assert.deepEqual(series, [...new Set(series)]);
  for (const name of ['edge', 'inner']) {
    const label = `haproxy="${name}"`;
    assert.equal(
      samples.filter((line) => line.includes('_up{') && line.includes(label) && line.endsWith(' 1')).length,
      1,
    );
    assert.equal(
      samples.filter(
        (line) => line.includes('certificate_served{') && line.includes(label) && line.endsWith(' 1'),
      ).length,
      1,
    );
  }
});
