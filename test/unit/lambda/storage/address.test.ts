import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseBucketUrl } from '#storage/address.ts';
import { openBucket } from '#storage/open.ts';
import { openWithoutSdk } from '#storage/open-without-sdk.ts';
import { judgeAddress } from '../../../../agent/doctor/bucket.ts';
import { tempDir } from '../../../support/temp-dir.ts';

const refused = {
  code: 'ERR_BUCKET_URL',
  message: /private keys; wanted https:\/\/, or the option insecure=true/,
};
const at = (endpoint: string) => `s3://certs?endpoint=${encodeURIComponent(endpoint)}&region=eu-central-1`;

test('plain HTTP to a store on another machine is refused, unless the operator says insecure', async () => {
  for (const endpoint of [
    'http://minio.example:9000',
    'http://10.0.0.5:9000',
    'HTTP://[fd00::5]',
    'http://127.0.0.1.nip.io',
  ]) {
    assert.throws(() => parseBucketUrl(at(endpoint)), refused, endpoint);
    await assert.rejects(openWithoutSdk(at(endpoint), {}), refused);
    await assert.rejects(openBucket(at(endpoint)), refused);
    assert.ok(parseBucketUrl(`${at(endpoint)}&insecure=true`));
    const [finding] = judgeAddress({ bucket: `${at(endpoint)}&insecure=true` });
    assert.deepEqual([finding?.id, finding?.severity], ['bucket-insecure', 'warning']);
  }
});

test('TLS, and plain HTTP inside of this machine, need no word', () => {
  for (const endpoint of [
    'https://minio.example:9000',
    'http://127.0.0.1:9000',
    'http://localhost:9000',
    'http://[::1]:9000',
  ]) {
    assert.equal(parseBucketUrl(at(endpoint)).kind, 's3', endpoint);
    assert.deepEqual(judgeAddress({ bucket: at(endpoint) }), []);
  }
  const own = ['s3://certs', 'file:///var/lib/pemfleet/bucket'].flatMap((bucket) => judgeAddress({ bucket }));
  assert.deepEqual(own, []);
});

test('an endpoint of the environment is held to the same', async () => {
  const env = {
    AWS_ENDPOINT_URL: 'http://minio.example:9000',
    AWS_ACCESS_KEY_ID: 'a',
    AWS_SECRET_ACCESS_KEY: 'b',
  };
  await assert.rejects(openWithoutSdk('s3://certs?region=eu-central-1', env), refused);
  assert.ok(await openWithoutSdk('s3://certs?region=eu-central-1&insecure=true', env));
});

test("an endpoint of AWS's shared configuration is held to the same, by the program that reads it", async (t) => {
  const dir = tempDir(t);
  const keys = { AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 'b', AWS_MAX_ATTEMPTS: '1' };
  const endpoint = 'endpoint_url = http://minio.invalid:9000';
  const texts = [
    `[default]\n${endpoint}\n`,
    `[default]\nservices = own\n[services own]\ns3 =\n  ${endpoint}\n`,
  ];
  const before = { ...process.env };
  t.after(() => {
    for (const name of [...Object.keys(keys), 'AWS_CONFIG_FILE']) delete process.env[name];
    Object.assign(process.env, before);
  });
  for (const [index, text] of texts.entries()) {
    const file = join(dir, `config-${index}`);
    writeFileSync(file, text);
    Object.assign(process.env, keys, { AWS_CONFIG_FILE: file });
    const bucket = await openBucket('s3://certs?region=eu-central-1');

    await assert.rejects(bucket.get('a'), refused);
    await assert.rejects(bucket.list('a'), refused);
  }
});

test('insecure is a word that is said, or is not there', () => {
  assert.throws(() => parseBucketUrl('s3://certs?insecure=yes'), { code: 'ERR_BUCKET_URL' });
});
