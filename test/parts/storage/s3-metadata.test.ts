// A host without keys in its environment: credentials and region come from the instance's metadata, and change.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { codeOf } from '#contract/errors.ts';
import { openHostBucket } from '#storage/open-host.ts';
import { startAws } from '../../aws/aws.ts';
import { startImds } from '../../aws/imds.ts';
import { setEnv } from '../../support/env.ts';

const WITHOUT_AWS = Object.fromEntries(
  Object.keys(process.env)
    .filter((name) => name.startsWith('AWS_'))
    .map((name) => [name, undefined]),
);

test('instance metadata: IMDSv2, region, and new credentials before the old ones end', async (t) => {
  const aws = await startAws();
  t.after(aws.stop);
  aws.s3.createBucket('certs');
  const role = aws.role({ name: 'host', policies: 'everything' });
  const session = (seconds: number) =>
    aws.principal({ name: 'i-0aaa', role, expiresAt: new Date(Date.now() + seconds * 1000) });
  let current = session(120);
  const imds = await startImds({ principal: () => current, region: aws.region });
  t.after(imds.stop);
  t.after(setEnv({ ...WITHOUT_AWS, ...imds.env, HOME: '/nonexistent' }));

  const bucket = await openHostBucket(`s3://certs?endpoint=${aws.endpoint}`, process.env);
  await bucket.put('status/default/a.json', '{}');
  // Two minutes are left: too few to wait for the end.
  current = session(3_600);
  await bucket.put('status/default/a.json', '{"a":1}');
  await bucket.put('status/default/a.json', '{"a":2}');

  const asked = imds.requests.filter((line) => line.includes('security-credentials/'));
  assert.equal((await bucket.get('status/default/a.json'))?.body.toString(), '{"a":2}');
  assert.ok(imds.requests.some((line) => line.startsWith('PUT /latest/api/token')));
  assert.ok(imds.requests.some((line) => line.includes('placement/region')));
  assert.ok(asked.length >= 2 && asked.length <= 5, asked.join('\n'));
});

test('no instance metadata either: a coded error', async (t) => {
  t.after(setEnv({ ...WITHOUT_AWS, AWS_EC2_METADATA_SERVICE_ENDPOINT: 'http://127.0.0.1:1' }));
  const bucket = await openHostBucket('s3://certs?region=eu-central-1&endpoint=http://127.0.0.1:1', {
    HOME: '/nonexistent',
  });

  const failure = await bucket.get('published/default/manifest.json').catch((error: unknown) => error);

  assert.equal(codeOf(failure), 'ERR_BUCKET_CREDENTIALS');
});
