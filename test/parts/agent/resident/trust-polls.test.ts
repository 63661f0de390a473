// A poll that has nothing new to read stays cheap, also where the host does not take what is published.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { serializeKeys, signKeyStatement } from '#contract/key-chain.ts';
import { layout } from '#contract/layout.ts';
import { generatePrivateKey, signerOf } from '#contract/statement.ts';
import type { Bucket } from '#storage/bucket.ts';
import { showTrust } from '../../../../agent/operator/trust-word.ts';
import { runLoop } from '../../../../agent/resident/loop.ts';
import { fleet } from '../../../support/agent/host.ts';
import { polls as loggedPolls } from '../../../support/agent/polls.ts';
import { agentHere } from '../../../support/agent/program.ts';
import { signedRoot, stageLineage, stageSigner } from '../../../support/agent/publish.ts';
import { makeStage, type Stage, withoutTrust } from '../../../support/agent/stage.ts';
import { interposed } from '../../../support/bucket/interposed.ts';

/** What each poll reads and logs of it; before each but the first, one of `steps` happens. */
async function polls(stage: Stage, flags: readonly string[], steps: (() => unknown)[]): Promise<string[][]> {
  const calls: string[] = [];
  const counted = interposed(stage.bucket, {
    get: ((key: string, ...rest: [never]) => {
      if (!key.endsWith('.pem')) calls.push(key.slice(key.lastIndexOf('/') + 1));
      return stage.bucket.get(key, ...rest);
    }) as Bucket['get'],
  });
  const log = (event: string) => void (/^manifest\./.test(event) && calls.push(event));
  const agent = await agentHere(flags, log, { openBucket: async () => counted });
  const stop = new AbortController();
  const polled: string[][] = [];
  const sleep = async () => {
    polled.push(calls.splice(0));
    const step = steps.shift();
    if (step === undefined) stop.abort();
    else await step();
  };
  await runLoop({ agent, signal: stop.signal, sleep, random: () => 0.5 });
  return polled;
}

test('a root of an unknown key is read once; the statement that is missing is taken as soon as it is there', async (t) => {
  const stage = await makeStage(t, { version: '3.2' });
  await stage.publish('shop', { names: ['shop.test'] });
  const next = signerOf(generatePrivateKey());
  const claims = { lineage: stageLineage, number: 1, key: next.key, at: new Date().toISOString() };

  const [first, idle, refused, again, followed, after] = await polls(stage, stage.flags, [
    () => undefined,
    async () => stage.putRoot(signedRoot(await stage.manifest(), {}, next)),
    () => undefined,
    () => stage.bucket.put(layout.keys(fleet), serializeKeys([signKeyStatement(stageSigner, claims)])),
    () => undefined,
  ]);

  assert.deepEqual(first, ['root.json', 'keys.json', 'manifest.changed']);
  assert.deepEqual(idle, ['root.json', 'manifest.unchanged']);
  assert.deepEqual(refused, ['root.json', 'root.json', 'keys.json', 'manifest.failed']);
  assert.deepEqual(again, ['root.json', 'keys.json', 'manifest.unchanged'], 'two requests, and no pass');
  assert.deepEqual(followed, ['root.json', 'keys.json', 'root.json', 'keys.json', 'manifest.changed']);
  assert.deepEqual(after, ['root.json', 'manifest.unchanged']);
});

test('the poll after the operator has confirmed the key makes a pass, and the status says it', async (t) => {
  const stage = await makeStage(t, { version: '3.2' });
  await stage.publish('shop', { names: ['shop.test'] });
  const flags = withoutTrust(stage.flags);
  const conditions: unknown[] = [];
  const note = async () => conditions.push((await stage.status()).conditions?.map((one) => one.condition));

  const logged = await loggedPolls({ flags }, [
    note,
    async () => showTrust(await agentHere(flags, () => undefined), { kind: 'confirm', key: stageSigner.key }),
    note,
    () => undefined,
  ]);

  assert.deepEqual(conditions, [['key-unverified'], undefined]);
  const passes = logged.map((events) => events.filter(({ event }) => event === 'run.finished').length);
  assert.deepEqual(passes, [1, 0, 1, 0, 0], 'one pass for one word');
});

test('a root that cannot be read is read once; version 1 costs a second request until there is a root', async (t) => {
  const stage = await makeStage(t, { version: '3.2' });
  await stage.publish('shop', { names: ['shop.test'] });
  const root = (await stage.bucket.get(layout.root(fleet)))?.body.toString() ?? '';
  await stage.bucket.delete(layout.root(fleet));

  const [first, idle, broken, still, mended] = await polls(stage, withoutTrust(stage.flags), [
    () => undefined,
    () => stage.putRoot('{'),
    () => undefined,
    () => stage.putRoot(root),
  ]);

  assert.deepEqual(first, ['root.json', 'manifest.json', 'manifest.changed']);
  assert.deepEqual(idle, ['root.json', 'manifest.json', 'manifest.unchanged']);
  assert.deepEqual(broken, ['root.json', 'root.json', 'manifest.failed'], 'no way back to version 1');
  assert.deepEqual(still, ['root.json', 'manifest.unchanged']);
  assert.deepEqual(mended, ['root.json', 'root.json', 'keys.json', 'manifest.changed']);
});
