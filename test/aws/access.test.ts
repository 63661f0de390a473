/** Who gets in: signatures, and the policies of those whose signature holds. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutBucketPolicyCommand,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { request } from '../support/request.ts';
import { allow, refusalOf, s3Of, startBench } from './clients.ts';

const Bucket = 'certs';
const anyKey = `arn:aws:s3:::${Bucket}/*`;
const put = (s3: S3Client, Key: string, more = {}) =>
  s3.send(new PutObjectCommand({ Bucket, Key, Body: Key, ...more }));
const get = (s3: S3Client, Key: string) => s3.send(new GetObjectCommand({ Bucket, Key }));

/** Changes what goes over the wire after it was signed. */
function tampering(s3: S3Client, change: (sent: { body: unknown; headers: Record<string, string> }) => void) {
  s3.middlewareStack.add(
    (next) => (args) => {
      change(args.request as Parameters<typeof change>[0]);
      return next(args);
    },
    { step: 'deserialize', priority: 'high' },
  );
  return s3;
}

test('signatures', async (t) => {
  const aws = await startBench(t);
  aws.s3.createBucket(Bucket);
  const { administrator } = aws;
  const expiring = (minutes: number) => {
    const role = aws.role({ name: 'agent', policies: 'everything' });
    const expiresAt = new Date(Date.now() + minutes * 60_000);
    return aws.principal({ name: 'i-0aaa', role, expiresAt });
  };
  const withCredentials = (more: object) => ({ credentials: { ...administrator.credentials, ...more } });

  for (const [name, client, expected] of [
    ['a wrong secret', s3Of(aws, withCredentials({ secretAccessKey: 'x' })), '403 SignatureDoesNotMatch'],
    ['an unknown id', s3Of(aws, withCredentials({ accessKeyId: 'AKIAUNKNOWN' })), '403 InvalidAccessKeyId'],
    ['another region', s3Of(aws, administrator, { region: 'us-east-1' }), '400 AuthorizationHeaderMalformed'],
    ['a token of nobody', s3Of(aws, withCredentials({ sessionToken: 'x' })), '400 InvalidToken'],
    ['a token that has expired', s3Of(aws, expiring(-1)), '400 ExpiredToken'],
    [
      'another body than was signed',
      tampering(s3Of(aws), (sent) => {
        sent.body = 'b';
      }),
      '400 XAmzContentSHA256Mismatch',
    ],
    [
      'a header that was not signed so',
      tampering(s3Of(aws), ({ headers }) => {
        headers['content-type'] = 'text/html';
      }),
      '403 SignatureDoesNotMatch',
    ],
    [
      'an AWS header that was not signed',
      tampering(s3Of(aws), ({ headers }) => {
        headers['x-amz-meta-a'] = 'b';
      }),
      '403 AccessDenied',
    ],
  ] as const) {
    await t.test(`${name}: ${expected}`, async () =>
      assert.equal(await refusalOf(put(client, 'a')), expected),
    );
  }

  await t.test('no signature at all: 403 AccessDenied', async () => {
    const { status, body } = await request(`${aws.endpoint}/${Bucket}/a`);
    assert.equal(status, 403);
    assert.match(body, /<Code>AccessDenied<\/Code>/);
  });

  await t.test(
    'a clock 20 minutes off: refused, and by the Date of the refusal the SDK sets its own',
    async () => {
      const s3 = s3Of(aws, administrator, { systemClockOffset: -20 * 60_000 });
      assert.equal(await refusalOf(put(s3, 'a')), '403 RequestTimeTooSkewed');
      await put(s3, 'a');
    },
  );

  await t.test('a token that holds is let in; the call is logged with who, what and on what', async () => {
    await put(s3Of(aws, expiring(5)), 'b');

    const call = aws.calls.at(-1);
    assert.equal(call?.principal, 'arn:aws:sts::111111111111:assumed-role/agent/i-0aaa');
    assert.deepEqual(
      [call.service, call.operation, call.subject, call.action, call.resource, call.status],
      ['s3', 'PutObject', 'b', 's3:PutObject', `arn:aws:s3:::${Bucket}/b`, 200],
    );
  });
});

test('policies', async (t) => {
  const aws = await startBench(t);
  aws.s3.createBucket(Bucket);
  await put(s3Of(aws), 'a/1');
  await put(s3Of(aws), 'b/1');
  const may = (...policies: object[]) =>
    s3Of(aws, aws.principal({ name: `user-${aws.calls.length}`, policies }));
  const list = (s3: S3Client, Prefix: string) => s3.send(new ListObjectsV2Command({ Bucket, Prefix }));
  const readA = allow('s3:GetObject', `arn:aws:s3:::${Bucket}/a/*`);
  const write = allow('s3:PutObject', anyKey);
  const listA = allow('s3:ListBucket', `arn:aws:s3:::${Bucket}`, { StringLike: { 's3:prefix': 'a/*' } });
  const listAll = allow('s3:ListBucket', `arn:aws:s3:::${Bucket}`);
  const deny = {
    Version: '2012-10-17',
    Statement: [{ Effect: 'Deny', Action: 's3:PutObject', Resource: `arn:aws:s3:::${Bucket}/b/*` }],
  };
  const createOnly = allow('s3:PutObject', anyKey, { StringEquals: { 's3:if-none-match': '*' } });
  const role = aws.role({
    name: 'agent',
    tags: { fleet: 'web' },
    policies: [
      allow('s3:PutObject', `arn:aws:s3:::${Bucket}/status/\${aws:PrincipalTag/fleet}/\${aws:userid}.json`),
    ],
  });
  const host = aws.principal({ name: 'i-0aaa', role });
  const agent = s3Of(aws, host);

  for (const [name, ask, expected] of [
    ['an object under the prefix', () => get(may(readA), 'a/1'), undefined],
    ['an object beside the prefix', () => get(may(readA), 'b/1'), '403 AccessDenied'],
    ['no policy at all', () => get(may(), 'a/1'), '403 AccessDenied'],
    ['a missing key, who may not list', () => get(may(readA), 'a/none'), '403 AccessDenied'],
    ['a missing key, who may list', () => get(may(readA, listAll), 'a/none'), '404 NoSuchKey'],
    ['a list under the prefix', () => list(may(listA), 'a/'), undefined],
    ['a list beside the prefix', () => list(may(listA), 'b/'), '403 AccessDenied'],
    ['a write', () => put(may(write), 'a/2'), undefined],
    [
      'a write with If-Match, which needs to read',
      () => put(may(write), 'a/2', { IfMatch: '*' }),
      '403 AccessDenied',
    ],
    ['a write that is denied', () => put(may(write, deny), 'b/2'), '403 AccessDenied'],
    ['a write without the condition', () => put(may(createOnly), 'a/3'), '403 AccessDenied'],
    ['a write with the condition', () => put(may(createOnly), 'a/3', { IfNoneMatch: '*' }), undefined],
    ['an own status by tag and user id', () => put(agent, `status/web/${host.userId}.json`), undefined],
    ['the status of another', () => put(agent, 'status/web/i-0bbb.json'), '403 AccessDenied'],
  ] as const) {
    await t.test(`${name}: ${expected ?? 'allowed'}`, async () => {
      if (expected === undefined) await ask();
      else assert.equal(await refusalOf(ask()), expected);
    });
  }

  await t.test('the refusal names who, what and on what', async () => {
    const principal = aws.principal({ name: 'nobody', policies: [] });
    await assert.rejects(get(s3Of(aws, principal), 'a/1'), {
      message: `User: ${principal.arn} is not authorized to perform: s3:GetObject on resource: "arn:aws:s3:::${Bucket}/a/1" because no identity-based policy allows the s3:GetObject action`,
    });
  });

  await t.test('of many keys to delete, those are refused that may not be', async () => {
    const s3 = may(allow('s3:DeleteObject', `arn:aws:s3:::${Bucket}/a/*`));
    const Delete = { Objects: [{ Key: 'a/2' }, { Key: 'b/1' }] };
    const { Deleted, Errors } = await s3.send(new DeleteObjectsCommand({ Bucket, Delete }));

    assert.deepEqual([Deleted?.map(({ Key }) => Key), Errors?.map(({ Key }) => Key)], [['a/2'], ['b/1']]);
    assert.equal(Errors?.[0]?.Code, 'AccessDenied');
  });

  await t.test('a KMS key needs its own permission, to write and to read', async () => {
    const key = 'arn:aws:kms:eu-central-1:111111111111:key/00000000-0000-0000-0000-000000000001';
    const kms = { ServerSideEncryption: 'aws:kms', SSEKMSKeyId: key } as const;
    const readAll = allow('s3:GetObject', anyKey);

    assert.equal(await refusalOf(put(may(write), 'k', kms)), '403 AccessDenied');
    await put(may(write, allow('kms:GenerateDataKey', key)), 'k', kms);
    await assert.rejects(get(may(readAll), 'k'), /is not authorized to perform: kms:Decrypt/);
    await get(may(readAll, allow('kms:Decrypt', key)), 'k');
    await may(readAll).send(new HeadObjectCommand({ Bucket, Key: 'k' }));
  });

  await t.test("a bucket's policy and another account", async () => {
    const stranger = aws.principal({ name: 'stranger', policies: [readA], accountId: '222222222222' });
    assert.equal(await refusalOf(get(s3Of(aws, stranger), 'a/1')), '403 AccessDenied');

    await s3Of(aws).send(
      new PutBucketPolicyCommand({ Bucket, Policy: JSON.stringify(openTo(stranger.arn)) }),
    );

    await get(s3Of(aws, stranger), 'a/1');
  });
});

const openTo = (arn: string) => ({
  Version: '2012-10-17',
  Statement: [{ Effect: 'Allow', Principal: { AWS: arn }, Action: 's3:GetObject', Resource: anyKey }],
});
