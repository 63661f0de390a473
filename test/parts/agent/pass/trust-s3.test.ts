// A bucket in S3, with a host's own rights: it may read what is published for its fleet, and not know what is missing there.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { layout } from '#contract/layout.ts';
import { openBucket } from '#storage/open.ts';
import { startAws } from '../../../aws/aws.ts';
import { fleet } from '../../../support/agent/host.ts';
import { spawnAgent } from '../../../support/agent/program.ts';
import { publisher, serialOf } from '../../../support/agent/publish.ts';
import { HOSTS_BUCKET, reading, reporting } from '../../../support/agent/s3-rights.ts';
import { makeStage, withoutTrust } from '../../../support/agent/stage.ts';
import { setEnv } from '../../../support/env.ts';

const aws = await startAws();
after(aws.stop);
after(setEnv(aws.administrator.env));
aws.s3.createBucket(HOSTS_BUCKET);

test('an old issuer, then a new one: the agent reads version 1 where it may not know that there is no other', async (t) => {
  const stage = await makeStage(t, { version: '3.2' });
  const Statement = [reading, reporting];
  const { env } = aws.principal({ name: 'host', policies: [{ Version: '2012-10-17', Statement }] });
  const bucket = await openBucket('s3://certs');
  const published = publisher(bucket, stage.pki);
  const flags = [...withoutTrust(stage.flags), '--bucket', 's3://certs'];
  const sync = async () => {
    const begin = aws.calls.length;
    const result = await spawnAgent(['sync', ...flags], { env });
    const calls = aws.calls.slice(begin).filter(({ operation }) => operation === 'GetObject');
    return { ...result, calls: calls.map(({ subject, status }) => `${subject} ${status}`) };
  };
  const first = await published.publish('shop', { names: ['shop.test'] });
  const root = await bucket.get(layout.root(fleet));
  await bucket.delete(layout.root(fleet));

  const old = await sync();
  assert.equal(old.code, 0, old.stderr);
  assert.match(old.stderr, /event=host\.condition condition=unsigned-manifest/);
  assert.equal((await stage.handshake('shop.test')).serial, serialOf(first));
  const idle = await sync();
  assert.deepEqual(idle.calls, ['published/edge/root.json 403', 'published/edge/manifest.json 304']);

  await published.putRoot(root?.body.toString() ?? '');
  const upgraded = await sync();
  assert.equal(upgraded.code, 0, upgraded.stderr);
  assert.deepEqual(upgraded.calls, ['published/edge/root.json 200', 'published/edge/keys.json 403']);
  const quiet = await sync();
  assert.deepEqual(quiet.calls, ['published/edge/root.json 304'], 'a poll is one request');

  await bucket.delete(layout.root(fleet));
  const lost = await sync();
  assert.equal(lost.code, 1);
  assert.match(lost.stderr, /code=ERR_BUCKET_DENIED/);
  assert.deepEqual(lost.calls, ['published/edge/root.json 403'], 'and nothing that is not signed');
  assert.equal((await stage.handshake('shop.test')).serial, serialOf(first));
});
