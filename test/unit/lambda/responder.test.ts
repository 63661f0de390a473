import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { layout } from '#contract/layout.ts';
import { type FunctionUrlEvent, handler, respondTo } from '../../../lambda/responder.ts';
import { memoryBucket } from '../../support/bucket/memory-bucket.ts';
import { setEnv } from '../../support/env.ts';
import { tempDir } from '../../support/temp-dir.ts';

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
  ['a query that is part of it', `${path}?a=b`, 400],
  ['a fragment', `${path}#a`, 400],
  ['a path parameter', `${path};a=b`, 400],
  ['an encoded slash before the token', `/.well-known/acme-challenge%2f${token}`, 404],
  ['an encoded slash after the token', `${path}%2F`, 400],
  ['an encoded NUL', `${path}%00`, 400],
  ['a double slash before the token', `/.well-known/acme-challenge//${token}`, 400],
  ['a dot segment before the token', `/.well-known/acme-challenge/./${token}`, 400],
  ['a way out and back', `/.well-known/acme-challenge/../acme-challenge/${token}`, 400],
  ['10 KB of token', `/.well-known/acme-challenge/${'a'.repeat(10_240)}`, 400],
  ['10 KB of slashes', '/'.repeat(10_240), 404],
  ['letters that only look like a token', `/.well-known/acme-challenge/${'а'.repeat(22)}`, 400],
  ['full-width letters', `/.well-known/acme-challenge/${'Ａ'.repeat(22)}`, 400],
  ['half a surrogate pair', `${path}\ud800`, 400],
  ['an override of the writing direction', `${path}\u202e`, 400],
  ['base64 instead of base64url', `/.well-known/acme-challenge/${'+/'.repeat(11)}`, 400],
  ['padding after the token', `${path}==`, 400],
  ['a blank before it', ` ${path}`, 404],
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
    assert.deepEqual(asked, says === 'an unknown token' ? [`get challenge/${token17}`] : []);
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

const http = { method: 'GET' };
const EVENTS: [says: string, event: unknown, status: number][] = [
  ['null', null, 405],
  ['undefined', undefined, 405],
  ['a string', path, 405],
  ['a list', [path], 405],
  ['nothing in it', {}, 405],
  ['no requestContext', { rawPath: path }, 405],
  ['a requestContext of null', { rawPath: path, requestContext: null }, 405],
  ['no http', { rawPath: path, requestContext: {} }, 405],
  ['http of null', { rawPath: path, requestContext: { http: null } }, 405],
  ['no method', { rawPath: path, requestContext: { http: {} } }, 405],
  ['a list of methods', { rawPath: path, requestContext: { http: { method: ['GET'] } } }, 405],
  ['no rawPath', { requestContext: { http } }, 404],
  ['a rawPath of null', { rawPath: null, requestContext: { http } }, 404],
  ['a number as rawPath', { rawPath: 7, requestContext: { http } }, 404],
  ['a list as rawPath', { rawPath: [path], requestContext: { http } }, 404],
  ['an object as rawPath', { rawPath: { startsWith: 1 }, requestContext: { http } }, 404],
  ['the format of API Gateway 1.0', { path, httpMethod: 'GET' }, 405],
  ['the schedule', { source: 'aws.scheduler', detail: {} }, 405],
];

for (const [says, event, status] of EVENTS) {
  test(`an event with ${says} is answered by ${status}, and the bucket is not asked`, async () => {
    const bucket = memoryBucket();

    assert.equal((await respondTo(bucket, event as FunctionUrlEvent)).statusCode, status);
    assert.deepEqual(bucket.calls, []);
  });
}

test('queries, headers, cookies and a body change nothing', async () => {
  const bucket = await bucketWithAnswer();
  const plain = { rawPath: path, requestContext: { http } };
  const ballast = {
    version: '2.0',
    rawQueryString: 'key=issuer%2Faccount%2Fsecret&token=other',
    cookies: ['a=b'],
    headers: { range: 'bytes=0-1', 'if-none-match': '*', 'x-http-method-override': 'DELETE' },
    body: Buffer.from('{"rawPath":"/"}').toString('base64'),
    isBase64Encoded: true,
  };

  assert.deepEqual(await respondTo(bucket, { ...ballast, ...plain }), await respondTo(bucket, plain));
});

test('the handler opens its bucket again after it could not be opened', async (t) => {
  const dir = tempDir(t);
  const event = { rawPath: path, requestContext: { http: { method: 'GET' } } };

  t.after(setEnv({ PEMFLEET_BUCKET: 'nothing://here' }));
  await assert.rejects(handler(event), { code: 'ERR_BUCKET_URL' });
  // The hook above puts back what was there before both.
  setEnv({ PEMFLEET_BUCKET: pathToFileURL(dir).href });

  assert.equal((await handler(event)).statusCode, 404);
});
