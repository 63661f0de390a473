// Several HAProxy on one host have one trust: what one of them was told or has accepted, the others know.
import assert from 'node:assert/strict';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { stringify } from 'yaml';
import { layout } from '#contract/layout.ts';
import { generatePrivateKey, signerOf } from '#contract/statement.ts';
import { fleet, host } from '../../../support/agent/host.ts';
import { spawnAgent } from '../../../support/agent/program.ts';
import { signedRoot, stageSigner } from '../../../support/agent/publish.ts';
import { type Stage, stageOn } from '../../../support/agent/stage.ts';
import { makeTempDir } from '../../../support/temp-dir.ts';

const names = ['edge', 'inner'] as const;

interface Host {
  stage: Stage;
  /** From now on the host has these HAProxy; none of them runs. */
  configure(...instances: readonly (typeof names)[number][]): void;
  agent(command: string, ...args: string[]): ReturnType<typeof spawnAgent>;
  conditions(): Promise<string[]>;
  has(instance: (typeof names)[number], name: string): Promise<boolean>;
}

async function makeHost(t: TestContext): Promise<Host> {
  const place = makeTempDir();
  t.after(() => place.remove());
  const certsOf = (name: string) => join(place.path, name, 'certs');
  for (const name of names) mkdirSync(certsOf(name), { recursive: true, mode: 0o700 });
  const absent = { certsDir: certsOf('edge'), httpsPort: 1, socket: '/nonexistent' };
  const stage = await stageOn(absent as Parameters<typeof stageOn>[0], place.path);
  const config = join(place.path, 'agent.yaml');
  const agent = (command: string, ...args: string[]) => spawnAgent([command, '--config', config, ...args]);
  return {
    stage,
    configure(...instances) {
      const haproxy = instances.map((name) => ({
        ...{ name, statsSocket: join(place.path, name, 'admin.sock'), certsDir: certsOf(name) },
        handshake: ['127.0.0.1:1'],
      }));
      const common = { bucket: stage.bucket.url, fleet, host, stateDir: stage.stateDir };
      writeFileSync(config, stringify({ ...common, haproxy }));
    },
    agent,
    conditions: async () => (await stage.status()).conditions?.map(({ condition }) => condition) ?? [],
    has: async (instance, name) =>
      (await stage.status()).files.some(
        (file) => file.instance === instance && file.certificate === name && file.disk,
      ),
  };
}

test('a second HAProxy inherits the key that was confirmed, and what was accepted: no other issuer, no version 1, no older root', async (t) => {
  const { stage, configure, agent, conditions, has } = await makeHost(t);
  configure('edge');
  await stage.publish('shop', { names: ['shop.test'] });
  const older = (await stage.bucket.get(layout.root(fleet)))?.body.toString() ?? '';
  await stage.putRoot(signedRoot(await stage.manifest()));
  await agent('sync');
  assert.equal((await agent('trust', '--confirm', stageSigner.key)).code, 0);
  configure('edge', 'inner');

  await stage.putRoot(
    signedRoot(await stage.manifest(), { lineage: 'theirs' }, signerOf(generatePrivateKey())),
  );
  await agent('sync');
  assert.deepEqual([await conditions(), await has('inner', 'shop')], [['other-lineage'], false]);

  await stage.putRoot(older);
  await agent('sync');
  assert.deepEqual([await conditions(), await has('inner', 'shop')], [['stale-manifest'], false]);

  await stage.bucket.delete(layout.root(fleet));
  const version1 = await agent('sync');
  assert.match(version1.stderr, /ERR_MANIFEST_MISSING/);
  assert.equal(await has('inner', 'shop'), false);

  await stage.putRoot(signedRoot(await stage.manifest()));
  await agent('sync');
  assert.deepEqual([await conditions(), await has('inner', 'shop')], [[], true]);
});

test('the host’s record is lost: that beside the certificates of either HAProxy counts, and the word of the operator is for both', async (t) => {
  const { stage, configure, agent, conditions } = await makeHost(t);
  configure('edge');
  await stage.publish('shop', { names: ['shop.test'] });
  await agent('sync');
  assert.equal((await agent('trust', '--confirm', stageSigner.key)).code, 0);
  configure('inner', 'edge');
  rmSync(stage.stateDir, { recursive: true });
  const stranger = signerOf(generatePrivateKey());
  await stage.putRoot(signedRoot(await stage.manifest(), {}, stranger));

  await agent('sync');
  assert.deepEqual(await conditions(), ['unknown-key']);

  const accepted = await agent('trust', '--accept', stranger.key);
  assert.match(accepted.stdout, /changed/);
  assert.deepEqual(await conditions(), []);
  const { stdout } = await agent('trust', '--json');
  const { trust } = JSON.parse(stdout) as { trust: { key: string; isConfirmed: boolean }[] };
  assert.deepEqual(
    trust.map(({ key, isConfirmed }) => [key, isConfirmed]),
    names.map(() => [stranger.key, true]),
  );
});
