// A host without keys in its environment: credentials and region come from the instance's metadata, and change.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { codeOf } from '#contract/errors.ts';
import { sdkCredentials } from '#storage/metadata/sdk-credentials.ts';
import { openBucket } from '#storage/open.ts';
import { openHostBucket } from '#storage/open-host.ts';
import { credentialsOf } from '#storage/s3-credentials.ts';
import { startAws } from '../../aws/aws.ts';
import { startImds } from '../../aws/imds.ts';
import { setEnv } from '../../support/env.ts';
import { tempDir } from '../../support/temp-dir.ts';

const WITHOUT_AWS = Object.fromEntries(
  Object.keys(process.env)
    .filter((name) => name.startsWith('AWS_'))
    .map((name) => [name, undefined]),
);

const openers = {
  'without the SDK': (url: string) => openHostBucket(url, process.env),
  SDK: (url: string) => openBucket(`${url}&region=eu-central-1`),
};

for (const [kind, open] of Object.entries(openers)) {
  test(`instance metadata, ${kind}: IMDSv2, and new credentials before the old ones end`, async (t) => {
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

    const bucket = await open(`s3://certs?endpoint=${aws.endpoint}`);
    await bucket.put('status/default/a.json', '{}');
    // Two minutes are left: too few to wait for the end.
    current = session(3_600);
    await bucket.put('status/default/a.json', '{"a":1}');
    const before = imds.requests.length;
    await bucket.put('status/default/a.json', '{"a":2}');
    assert.equal(imds.requests.length, before, 'an hour is left');

    const asked = imds.requests.filter((line) => line.includes('security-credentials/'));
    assert.equal((await bucket.get('status/default/a.json'))?.body.toString(), '{"a":2}');
    assert.ok(imds.requests.some((line) => line.startsWith('PUT /latest/api/token')));
    assert.equal(
      imds.requests.some((line) => line.includes('placement/region')),
      kind !== 'SDK',
    );
    assert.ok(asked.length >= 2 && asked.length <= 8, asked.join('\n'));
  });
}

test('a container: a token from a file, which changes, to the hosts that AWS names, and to no other by plain HTTP', async (t) => {
  const asked: unknown[] = [];
  const server = createServer((request, response) => {
    asked.push(request.headers.authorization);
    const Expiration = new Date(Date.now() + 60_000).toISOString();
    response.end(
      JSON.stringify({ AccessKeyId: `a${asked.length}`, SecretAccessKey: 's', Token: 't', Expiration }),
    );
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  t.after(setEnv({ ...WITHOUT_AWS, HOME: '/nonexistent' }));
  const file = join(tempDir(t), 'token');
  const { port } = server.address() as AddressInfo;
  const env = (host: string) => ({
    AWS_CONTAINER_CREDENTIALS_FULL_URI: `http://${host}:${port}/v1/credentials`,
    AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: file,
  });

  const restore = setEnv(env('127.0.0.1'));
  for (const provide of [credentialsOf(process.env), sdkCredentials()]) {
    asked.length = 0;
    writeFileSync(file, 'first\n');
    assert.equal((await provide()).accessKeyId, 'a1');
    writeFileSync(file, 'second\n');
    assert.equal((await provide()).accessKeyId, 'a2', 'a minute is too few to wait for the end');
    rmSync(file);
    assert.equal((await provide()).accessKeyId, 'a2', 'those that are known may still be good');
    assert.deepEqual(asked, ['first', 'second']);
  }
  restore();
  writeFileSync(file, 'first\n');
  for (const host of ['example.com', '10.0.0.1', '127.0.0.1.example.com', '169.254.169.254']) {
    const back = setEnv(env(host));
    await assert.rejects(sdkCredentials()(), /AWS_CONTAINER_CREDENTIALS_FULL_URI wants https/, host);
    back();
  }
  assert.equal(asked.length, 2);
});

test('keys in the environment, then a profile, then the metadata service; a profile that is named comes before the keys', async (t) => {
  const dir = tempDir(t);
  const file = join(dir, 'credentials');
  writeFileSync(file, '[ops]\naws_access_key_id = a\naws_secret_access_key = s\n');
  const files = { AWS_SHARED_CREDENTIALS_FILE: file, AWS_CONFIG_FILE: join(dir, 'none') };
  t.after(setEnv({ ...WITHOUT_AWS, ...files, AWS_EC2_METADATA_DISABLED: 'true', HOME: dir }));
  const ask = async (env: Record<string, string | undefined>) => {
    const restore = setEnv(env);
    return sdkCredentials()().finally(restore);
  };

  const none = /neither environment nor profile has credentials, and AWS_EC2_METADATA_DISABLED/;
  await assert.rejects(ask({}), none);
  await assert.rejects(ask({ AWS_PROFILE: 'typo' }), none);
  assert.equal((await ask({ AWS_PROFILE: 'ops' })).accessKeyId, 'a');
  const keys = { AWS_ACCESS_KEY_ID: 'e', AWS_SECRET_ACCESS_KEY: 's', AWS_SESSION_TOKEN: 't' };
  assert.equal((await ask({ AWS_PROFILE: 'ops', ...keys })).accessKeyId, 'a');
  const given = { accessKeyId: 'e', secretAccessKey: 's', sessionToken: 't' };
  assert.deepEqual(await ask(keys), given);
});

test('no instance metadata either: a coded error', async (t) => {
  t.after(setEnv({ ...WITHOUT_AWS, AWS_EC2_METADATA_SERVICE_ENDPOINT: 'http://127.0.0.1:1' }));
  const bucket = await openHostBucket('s3://certs?region=eu-central-1&endpoint=http://127.0.0.1:1', {
    HOME: '/nonexistent',
  });

  const failure = await bucket.get('published/default/manifest.json').catch((error: unknown) => error);

  assert.equal(codeOf(failure), 'ERR_BUCKET_CREDENTIALS');
});
