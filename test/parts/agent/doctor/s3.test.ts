// doctor and a bucket in S3, with a host's own rights: it finds what is missing, and tries nothing that is forbidden.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { serializeKeys } from '#contract/key-chain.ts';
import { layout } from '#contract/layout.ts';
import { openBucket } from '#storage/open.ts';
import type { Finding } from '../../../../agent/doctor/finding.ts';
import { startAws } from '../../../aws/aws.ts';
import { fleet } from '../../../support/agent/host.ts';
import { publisher } from '../../../support/agent/publish.ts';
import { HOSTS_BUCKET, reading, reporting } from '../../../support/agent/s3-rights.ts';
import { makeStage, type Stage } from '../../../support/agent/stage.ts';
import { setEnv } from '../../../support/env.ts';

const aws = await startAws();
after(aws.stop);
after(setEnv(aws.administrator.env));
aws.s3.createBucket(HOSTS_BUCKET);

let count = 0;
function envOf(...statements: object[]): Record<string, string> {
  count += 1;
  const policy = { Version: '2012-10-17', Statement: statements };
  return aws.principal({ name: `host-${count}`, policies: statements.length > 0 ? [policy] : [] }).env;
}

async function examine(stage: Stage, env: Record<string, string>, bucket = 's3://certs') {
  const { stdout, stderr } = await stage.agent('doctor', { args: ['--bucket', bucket, '--json'], env });
  assert.ok(stdout.startsWith('{'), stderr);
  const { findings } = JSON.parse(stdout) as { findings: Finding[] };
  return findings;
}

test('a bucket in S3: each fault is found with its fix, and doctor makes no request that a host may not make', async (t) => {
  const stage = await makeStage(t, { version: '3.2' });
  await publisher(await openBucket('s3://certs'), stage.pki).publish('shop', { names: ['shop.test'] });
  const whole = envOf(reading, reporting);
  const sync = (env: Record<string, string>) =>
    stage.agent('sync', { args: ['--bucket', 's3://certs', '--retry'], env });

  const unreported = await sync(envOf(reading));
  assert.match(unreported.stderr, /event=status\.failed/);
  const [lost, ...others] = await examine(stage, whole);
  assert.deepEqual([lost?.id, others], ['status-not-writable', []]);
  assert.match(lost?.fix ?? '', /s3:PutObject on status\/edge\/lb1\.json/);

  aws.s3.write('certs', layout.keys(fleet), serializeKeys([]));
  assert.equal((await sync(whole)).code, 0);
  const before = aws.calls.length;
  assert.deepEqual(await examine(stage, whole), []);
  const made = aws.calls.slice(before).map(({ operation, status }) => [operation, status]);
  // The root, and keys.json while no recovery key is known.
  assert.deepEqual(made, [
    ['GetObject', 200],
    ['GetObject', 200],
  ]);

  const { AWS_ACCESS_KEY_ID: _, AWS_SECRET_ACCESS_KEY: __, AWS_SESSION_TOKEN: ___, ...anonymous } = whole;
  const rows = [
    ['bucket-denied', envOf(), 's3://certs', /s3:GetObject on published\/edge/],
    ['bucket-missing', envOf(reading), 's3://cert', /correct bucket/],
    [
      'bucket-credentials',
      { ...anonymous, AWS_EC2_METADATA_DISABLED: 'true' },
      's3://certs',
      /give the instance a role/,
    ],
  ] as const;
  for (const [id, env, bucket, fix] of rows) {
    const [found, ...more] = await examine(stage, env, bucket);
    assert.deepEqual([found?.id, more], [id, []], JSON.stringify(found));
    assert.match(found?.fix ?? '', fix);
  }
});
