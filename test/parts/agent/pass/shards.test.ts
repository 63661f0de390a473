// A host of a large fleet: it reads the shards that it does not have, and keeps what it serves where one is missing or altered.
import assert from 'node:assert/strict';
import { readdirSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { layout } from '#contract/layout.ts';
import { fleet } from '../../../support/agent/host.ts';
import { serialOf } from '../../../support/agent/publish.ts';
import { shardRoot } from '../../../support/agent/sharded.ts';
import { makeStage, type Stage } from '../../../support/agent/stage.ts';

const names = ['one', 'two', 'three', 'four'];

/** A new PEM for `one`, in a manifest of one document; the stage publishes on from there. */
async function renew(stage: Stage, whole: Awaited<ReturnType<Stage['manifest']>>): Promise<string> {
  await stage.putBoth(whole);
  return stage.publish('one', { names: ['one.test'] });
}

async function assertServes(stage: Stage, pems: ReadonlyMap<string, string>): Promise<void> {
  for (const name of names) {
    assert.equal((await stage.handshake(`${name}.test`)).serial, serialOf(pems.get(name) ?? ''), name);
  }
  assert.deepEqual(stage.files(), names.map((name) => `${name}.pem`).sort());
}

test('shards are fetched once, and a host that lacks one changes nothing', async (t) => {
  const stage = await makeStage(t, { version: '3.2' });
  const pems = await stage.publishAll(names);
  const whole = await stage.manifest();
  const tree = await shardRoot(stage);

  const first = await stage.agent('sync');
  assert.equal(first.code, 0, first.stderr);
  await assertServes(stage, pems);
  const stored = () =>
    readdirSync(join(stage.stateDir, 'shards'))
      .map((file) => file.slice(0, 64))
      .sort();
  const digestsOf = (keys: Iterable<string>) => [...keys].map((key) => key.slice(-69, -5)).sort();
  assert.deepEqual(stored(), digestsOf(tree.keys()));

  // Another process, and a bucket that only has what has changed.
  pems.set('one', await renew(stage, whole));
  const renewed = await shardRoot(stage, (key) => !tree.has(key));
  for (const key of tree.keys()) await stage.bucket.delete(key);
  const second = await stage.agent('sync');
  assert.equal(second.code, 0, second.stderr);
  await assertServes(stage, pems);
  assert.deepEqual(stored(), digestsOf(renewed.keys()), 'what is named no more is gone');

  // A shard is missing; then it is somebody else's; then it is there.
  const before = await renew(stage, whole);
  const lacking = await shardRoot(stage, (key) => renewed.has(key));
  const [missing = ''] = [...lacking.keys()].filter((key) => !renewed.has(key));
  for (const text of [undefined, '{"version":1,"certificates":{},"tombstones":{}}\n']) {
    if (text !== undefined) await stage.bucket.put(missing, text);
    const kept = await stage.agent('sync');
    assert.notEqual(kept.code, 0);
    assert.match(kept.stderr, /ERR_MANIFEST_SHARD/);
    assert.match(JSON.stringify((await stage.status()).error), new RegExp(missing));
    await assertServes(stage, pems);
  }
  await stage.bucket.put(missing, lacking.get(missing) ?? '');
  pems.set('one', before);
  assert.equal((await stage.pass()).code, 0);
  await assertServes(stage, pems);
});

test('a shard of the state directory that is cut is fetched again; no shard of a foreign root is fetched', async (t) => {
  const stage = await makeStage(t, { version: '3.2' });
  const pems = await stage.publishAll(names);
  const whole = await stage.manifest();
  await shardRoot(stage);
  assert.equal((await stage.agent('sync')).code, 0);
  const folder = join(stage.stateDir, 'shards');
  const [file = ''] = readdirSync(folder);

  truncateSync(join(folder, file), 20);
  const healed = await stage.agent('sync');
  assert.equal(healed.code, 0, healed.stderr);
  await assertServes(stage, pems);

  pems.set('one', await renew(stage, whole));
  const shards = await shardRoot(stage);
  const root = (await stage.bucket.get(layout.root(fleet)))?.body.toString() ?? '';
  await stage.putRoot(root.replace(/"sequence": \d+/, '"sequence": 9'));
  assert.match((await stage.agent('sync')).stderr, /ERR_MANIFEST_SIGNATURE/);
  assert.ok([...shards.keys()].some((key) => !readdirSync(folder).includes(key.slice(-69))));
  await stage.putRoot(root);
  assert.equal((await stage.agent('sync')).code, 0);
  await assertServes(stage, pems);
});
