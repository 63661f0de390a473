/** Tags that come with an object: policies see them, they need a right of their own, and S3 takes few letters. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HeadObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { allow, refusalOf, s3Of, startBench } from '../clients.ts';

const Bucket = 'certs';

test('S3: a tag needs s3:PutObjectTagging, and is a variable of the policy', async (t) => {
  const aws = await startBench(t);
  aws.s3.createBucket(Bucket);
  const own = `arn:aws:s3:::${Bucket}/\${s3:RequestObjectTag/who}.json`;
  const writer = aws.principal({
    name: 'a',
    policies: [allow(['s3:PutObject', 's3:PutObjectTagging'], own)],
  });
  const half = aws.principal({ name: 'b', policies: [allow('s3:PutObject', own)] });
  const put = (who: typeof writer, Key: string, Tagging?: string) =>
    s3Of(aws, who).send(new PutObjectCommand({ Bucket, Key, Body: '', ...(Tagging && { Tagging }) }));

  await put(writer, 'a.json', 'who=a');
  assert.equal(await refusalOf(put(half, 'a.json', 'who=a')), '403 AccessDenied');
  assert.equal(await refusalOf(put(writer, 'b.json', 'who=a')), '403 AccessDenied');
  assert.equal(await refusalOf(put(writer, 'a.json')), '403 AccessDenied');
  // Not a wildcard: it stands for itself.
  assert.equal(await refusalOf(put(writer, 'a.json', 'who=*')), '403 AccessDenied');
  assert.deepEqual(aws.s3.keys(Bucket), ['a.json']);
});

test('S3: ten tags at most, of letters, digits and few signs', async (t) => {
  const aws = await startBench(t);
  aws.s3.createBucket(Bucket);
  const put = (Tagging: string) =>
    s3Of(aws).send(new PutObjectCommand({ Bucket, Key: 'a', Body: '', Tagging }));
  const many = Array.from({ length: 11 }, (_, index) => `t${index}=a`).join('&');

  assert.equal(await refusalOf(put(many)), '400 BadRequest');
  assert.equal(await refusalOf(put('who=*')), '400 InvalidTag');
  await put('who=i-0aaa&what=a%20b');
  const head = await s3Of(aws).send(new HeadObjectCommand({ Bucket, Key: 'a' }));
  assert.equal(head.TagCount, 2);
});
