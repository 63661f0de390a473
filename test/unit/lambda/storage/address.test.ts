import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseBucketUrl } from '#storage/address.ts';
import { openBucket } from '#storage/open.ts';
import { openWithoutSdk } from '#storage/open-without-sdk.ts';
import { judgeAddress } from '../../../../agent/doctor/bucket.ts';

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

test('insecure is a word that is said, or is not there', () => {
  assert.throws(() => parseBucketUrl('s3://certs?insecure=yes'), { code: 'ERR_BUCKET_URL' });
});
