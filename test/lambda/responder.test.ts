import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { layout } from '#contract/layout.ts';
import { handler, respondTo } from '../../lambda/responder.ts';
import { memoryBucket } from '../contract/memory-bucket.ts';

const token = 'DGyRejmCefe7v4NfDGDKfA';
const keyAuthorization = `${token}.9jg46WB3rR_AHD-EBXdN7cBkH1WOu0tA3M9fm21mqTI`;
const path = `/.well-known/acme-challenge/${token}`;

async function bucketWithAnswer() {
  const bucket = memoryBucket();
  await bucket.put(layout.challenge(token), keyAuthorization);
  await bucket.put('issuer/account/secret', 'a key');
  await bucket.put('challenge/short', 'no token of ours');
  return bucket;
}
const ask = (bucket: ReturnType<typeof memoryBucket>, method: string, rawPath: string) =>
  respondTo(bucket, { rawPath, requestContext: { http: { method } } });

test('RFC 8555 §8.3: the key authorization is handed out, as bytes that no cache keeps', async () => {
  const result = await ask(await bucketWithAnswer(), 'GET', path);

  assert.deepEqual(result, {
    statusCode: 200,
    headers: {
      'content-type': 'application/octet-stream',
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
    },
    body: keyAuthorization,
  });
});

test('HEAD answers as GET does, without the body', async () => {
  const bucket = await bucketWithAnswer();

  const [get, head] = [await ask(bucket, 'GET', path), await ask(bucket, 'HEAD', path)];

  assert.deepEqual(head, { ...get, body: '' });
});

const token17 = 'AAAAAAAAAAAAAAAAA';
const HOSTILE: [says: string, rawPath: string, status: number][] = [
  ['nothing', '', 404],
  ['the root', '/', 404],
  ['the folder', '/.well-known/acme-challenge', 404],
  ['no token', '/.well-known/acme-challenge/', 400],
  ['an unknown token', `/.well-known/acme-challenge/${token17}`, 404],
  ['a token that is too short', '/.well-known/acme-challenge/short', 400],
  ['a token that is too long', `/.well-known/acme-challenge/${'a'.repeat(257)}`, 400],
  ['more after the token', `${path}/`, 400],
  ['a file after the token', `${path}/x`, 400],
  ['a way up', '/.well-known/acme-challenge/../../issuer/account/secret', 400],
  ['an encoded way up', '/.well-known/acme-challenge/..%2f..%2fissuer%2faccount%2fsecret', 400],
  ['a twice encoded way up', '/.well-known/acme-challenge/..%252f..%252fissuer', 400],
  ['a way up with backslashes', '/.well-known/acme-challenge/..\\..\\issuer\\account', 400],
  ['a hidden object', '/.well-known/acme-challenge/.aaaaaaaaaaaaaaaa', 400],
  ['an encoded token', `/.well-known/acme-challenge/%44${token.slice(1)}`, 400],
  ['a NUL after the token', `${path}\0`, 400],
  ['a line feed after the token', `${path}\n`, 400],
  ['a header in the token', `${path}\r\nset-cookie: a=b`, 400],
  ['a script', '/.well-known/acme-challenge/<script>alert(1)</script>', 400],
  ['the prefix in capitals', `/.WELL-KNOWN/acme-challenge/${token}`, 404],
  ['the prefix twice', `/.well-known/acme-challenge${path}`, 400],
  ['two slashes before', `/${path}`, 404],
  ['another well-known', `/.well-known/security.txt`, 404],
  ['an absolute URL', `http://a.test${path}`, 404],
];

for (const [says, rawPath, status] of HOSTILE) {
  test(`a path with ${says} is answered by ${status}, and nothing of it is reflected`, async () => {
    const bucket = await bucketWithAnswer();
    const calls = bucket.calls.length;

    const result = await ask(bucket, 'GET', rawPath);

    assert.equal(result.statusCode, status);
    assert.ok(['not found\n', 'not a token\n'].includes(result.body), result.body);
    assert.deepEqual(Object.keys(result.headers).sort(), [
      'cache-control',
      'content-type',
      'x-content-type-options',
    ]);
    const asked = bucket.calls.slice(calls);
    assert.deepEqual(
      asked.filter((call) => !/^get challenge\/[A-Za-z0-9_-]+$/.test(call)),
      [],
    );
  });
}

for (const method of [
  'POST',
  'PUT',
  'DELETE',
  'PATCH',
  'OPTIONS',
  'TRACE',
  'CONNECT',
  'get',
  '',
  '<script>',
]) {
  test(`the method ${JSON.stringify(method)} is not allowed, and the bucket is not asked`, async () => {
    const bucket = await bucketWithAnswer();
    const calls = bucket.calls.length;

    const { statusCode, headers, body } = await ask(bucket, method, path);

    assert.deepEqual([statusCode, headers['allow'], body], [405, 'GET, HEAD', 'method not allowed\n']);
    assert.equal(bucket.calls.length, calls);
  });
}

test('an event without its fields is answered, not thrown at', async () => {
  assert.equal((await respondTo(memoryBucket(), {})).statusCode, 405);
  assert.equal(
    (await respondTo(memoryBucket(), { requestContext: { http: { method: 'GET' } } })).statusCode,
    404,
  );
});

test('the handler opens its bucket again after it could not be opened', async (t) => {
  const dir = mkdtempSync('/tmp/pf-');
  const event = { rawPath: path, requestContext: { http: { method: 'GET' } } };
  t.after(() => {
    delete process.env['PEMFLEET_BUCKET'];
    rmSync(dir, { recursive: true });
  });

  process.env['PEMFLEET_BUCKET'] = 'nothing://here';
  await assert.rejects(handler(event), { code: 'ERR_BUCKET_URL' });
  process.env['PEMFLEET_BUCKET'] = pathToFileURL(dir).href;

  assert.equal((await handler(event)).statusCode, 404);
});
