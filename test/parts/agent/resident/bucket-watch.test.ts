// A directory as the bucket is watched: the agent comes at once, and its polls stay the truth. The poll interval is an hour here.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { cpSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { fleetName, layout } from '#contract/layout.ts';
import { BucketWatch } from '../../../../agent/watch/bucket-watch.ts';
import { startAgent } from '../../../support/agent/program.ts';
import { serialOf } from '../../../support/agent/publish.ts';
import { makeStage } from '../../../support/agent/stage.ts';
import { until } from '../../../support/process.ts';
import { tempDir } from '../../../support/temp-dir.ts';

const fleet = fleetName.parse('edge');

test('what is published into a directory is served at once, also where the fleet had no folder yet', async (t) => {
  const stage = await makeStage(t, { version: '3.2' });
  const agent = startAgent(['run', ...stage.flags, '--poll-interval', '3600']);
  try {
    // After it, an arming of the watch is a poll.
    await agent.said('event=run.finished');
    await agent.said('event=manifest.unchanged');
    for (const name of ['shop', 'blog']) {
      const pem = await stage.publish(name, { names: [`${name}.test`] });
      const begin = performance.now();
      const isServed = async () => (await stage.handshake(`${name}.test`)).serial === serialOf(pem);
      await until(isServed, () => undefined, 30_000).catch((cause: unknown) => {
        throw new Error(agent.output.stderr, { cause });
      });
      t.diagnostic(`served ${Math.round(performance.now() - begin)} ms after it was published`);
    }
  } finally {
    agent.child.kill('SIGKILL');
    await once(agent.child, 'close');
  }
});

/** The watch of a bucket, and how often it has called since the last question. */
function watched(root: string) {
  let calls = 0;
  const watch = BucketWatch.of({
    config: { bucket: pathToFileURL(root).href, fleet },
    onChange: () => {
      calls += 1;
    },
    log: () => assert.fail('it can be watched'),
  });
  const callsAfter = async (work: () => unknown) => {
    calls = 0;
    await work();
    await until(
      async () => calls > 0,
      () => undefined,
      5_000,
    );
    // Longer than a burst.
    await sleep(150);
    return calls;
  };
  return { watch, callsAfter, calls: () => calls };
}

test('a burst is one poll, other files are none, and the watch survives that another directory takes the place of the bucket', async (t) => {
  const root = join(tempDir(t), 'bucket');
  const file = (key: string) => join(root, key);
  mkdirSync(root);
  const { watch, callsAfter, calls } = watched(root);
  t.after(() => watch?.close());
  assert.equal(await callsAfter(() => watch?.renew()), 1, 'what is watched anew may have changed before');

  // The way to the fleet's folder appears; the poll that follows watches the folder itself.
  assert.equal(await callsAfter(() => mkdirSync(file(layout.published(fleet)), { recursive: true })), 1);
  assert.equal(await callsAfter(() => watch?.renew()), 1);
  const burst = () => {
    for (let index = 0; index < 200; index += 1) {
      writeFileSync(file('temp'), String(index));
      renameSync(file('temp'), file(layout.root(fleet)));
    }
  };
  assert.equal(await callsAfter(burst), 1);
  await callsAfter(() => {
    writeFileSync(file(`${layout.published(fleet)}other.json`), '');
    writeFileSync(file(layout.root(fleet)), '');
  });
  await watch?.renew();
  assert.equal(calls(), 1, 'nothing is watched anew without need');

  cpSync(root, `${root}-restored`, { recursive: true });
  renameSync(root, `${root}-old`);
  renameSync(`${root}-restored`, root);
  assert.equal(await callsAfter(() => watch?.renew()), 1);
  rmSync(`${root}-old`, { recursive: true });
  assert.equal(await callsAfter(burst), 1);
});

test('a bucket on S3 is not watched', () => {
  const config = { bucket: 's3://bucket/prefix', fleet };

  assert.equal(BucketWatch.of({ config, onChange: () => undefined, log: () => undefined }), undefined);
});
