import assert from 'node:assert/strict';
import { test } from 'node:test';
import { layout } from '#contract/layout.ts';
import { sync } from '../../../../agent/pass/sync.ts';
import { fleet, host } from '../../../support/agent/host.ts';
import { agentHere } from '../../../support/agent/program.ts';
import { makeStage } from '../../../support/agent/stage.ts';
import { interposed } from '../../../support/bucket/interposed.ts';

const hourMs = 3_600_000;

test('the host status is reported when it changes, and once an hour', async (t) => {
  const stage = await makeStage(t, { version: '3.2' });
  await stage.publish('shop', { names: ['shop.test'] });
  let now = new Date();
  const events: string[] = [];
  const agent = await agentHere(stage.flags, (event) => events.push(event), { now: () => now });
  const reports: boolean[] = [];
  const passAfter = async (ms: number) => {
    now = new Date(now.getTime() + ms);
    events.length = 0;
    await sync(agent);
    reports.push(events.includes('status.reported'));
  };

  await passAfter(0);
  const { since } = (await stage.status()).files[0] as { since: string };
  await passAfter(hourMs / 2);
  await passAfter(hourMs / 2);
  await passAfter(hourMs / 2);
  await stage.publish('shop', { names: ['shop.test'] });
  await passAfter(1000);

  assert.deepEqual(reports, [true, false, true, false, true]);
  const status = await stage.status();
  assert.equal(status.reportedAt, now.toISOString());
  assert.notEqual(status.files[0]?.since, since);
});

test('a report that could not be made is made up for', async (t) => {
  const stage = await makeStage(t, { version: '3.2' });
  await stage.publish('shop', { names: ['shop.test'] });
  let isDenied = true;
  const put: typeof stage.bucket.put = (...args) => {
    if (isDenied) throw Object.assign(new Error('no'), { code: 'ERR_BUCKET_DENIED' });
    return stage.bucket.put(...args);
  };
  const events: string[] = [];
  const agent = await agentHere(stage.flags, (event) => events.push(event), {
    openBucket: async () => interposed(stage.bucket, { put }),
  });

  await sync(agent);
  isDenied = false;
  await sync(agent);

  assert.deepEqual(
    events.filter((event) => event.startsWith('status.')),
    ['status.failed', 'status.reported'],
  );
  assert.ok(await stage.bucket.get(layout.status(fleet, host)));
});

test('a host that has recovered reports it, though nothing else has changed', async (t) => {
  const stage = await makeStage(t, { version: '3.2' });
  await stage.publish('shop', { names: ['shop.test'] });
  const away = ['--certs-dir', `${stage.dir}/away`];

  await stage.pass();
  await stage.pass(away);
  const ill = await stage.status();
  await stage.pass();
  const well = await stage.status();

  assert.deepEqual([ill.error?.code, ill.files[0]?.state], ['ERR_CERTS_DIRECTORY', 'served']);
  assert.deepEqual([well.error, well.files[0]?.state], [undefined, 'served']);
});
