// `--stack NAME` names the bucket that the outputs of a CloudFormation stack name. AWS is moto here.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { bucketOfStack } from '../../../lambda/commands/line/stack.ts';
import { startMoto } from '../../support/parts/moto.ts';

const moto = await startMoto();
after(() => moto.stop());
Object.assign(process.env, { ...moto.env, AWS_ENDPOINT_URL: '' });
const env = { AWS_ENDPOINT_URL_CLOUDFORMATION: moto.endpoint };

async function createStack(name: string, outputs: Record<string, string>) {
  const template = {
    Resources: { Topic: { Type: 'AWS::SNS::Topic' } },
    Outputs: Object.fromEntries(Object.entries(outputs).map(([key, Value]) => [key, { Value }])),
  };
  const form = {
    Action: 'CreateStack',
    Version: '2010-05-15',
    StackName: name,
    TemplateBody: JSON.stringify(template),
  };
  const authorization = `AWS4-HMAC-SHA256 Credential=testing/20260101/${moto.region}/cloudformation/aws4_request, SignedHeaders=host, Signature=0`;
  const { status } = await fetch(moto.endpoint, {
    method: 'POST',
    body: new URLSearchParams(form),
    headers: { authorization },
  });
  assert.equal(status, 200);
}

test('the bucket of a stack is its output BucketUrl, of the construct in a stack of your own, too', async () => {
  await createStack('Pemfleet', { IssuerName: 'issuer', BucketUrl: 's3://pemfleet-bucket' });
  await createStack('Mine', { PemfleetBucketUrl: 's3://my-bucket' });

  assert.equal(await bucketOfStack('Pemfleet', env), 's3://pemfleet-bucket');
  assert.equal(await bucketOfStack('Mine', env), 's3://my-bucket');
});

test('a stack that is not there, or has no bucket, is refused in one line that says what to do', async () => {
  await createStack('Other', { Something: 'else' });

  await assert.rejects(bucketOfStack('Nowhere', env), {
    code: 'ERR_CONFIG',
    message: `--stack Nowhere: there is no such stack in ${moto.region}; AWS_REGION says where to look`,
  });
  await assert.rejects(bucketOfStack('Other', env), {
    code: 'ERR_CONFIG',
    message:
      '--stack Other: it has no output BucketUrl, as PemfleetStack has; its outputs: Something; name the bucket by --bucket',
  });
});

test('where CloudFormation is out of reach, the message says where it was asked', async () => {
  const nowhere = { AWS_ENDPOINT_URL_CLOUDFORMATION: 'http://127.0.0.1:9' };

  await assert.rejects(bucketOfStack('Pemfleet', nowhere), {
    code: 'ERR_CONFIG',
    message: new RegExp(
      `^--stack Pemfleet: CloudFormation in ${moto.region} does not answer: .*ECONNREFUSED`,
    ),
  });
});
