/**
 * A host writes its own status only: under the role of the template, judged by the stand-in of AWS, through the bucket that the
 * agent opens. A tag of the request names the writer, and the policy compares it with `aws:userid`.
 */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { Template } from 'aws-cdk-lib/assertions';
import { Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { codeOf, messageOf } from '#contract/errors.ts';
import { fleetName, hostName, layout } from '#contract/layout.ts';
import { openBucket } from '#storage/open.ts';
import { openWithoutSdk } from '#storage/open-without-sdk.ts';
import { startBench } from '../aws/clients.ts';
import { setEnv } from '../support/env.ts';
import { deployed } from './deployed.ts';
import { stackOf } from './stacks.ts';

const { stack } = stackOf();
const assumedBy = new ServicePrincipal('ec2.amazonaws.com');
stack.pemfleet.grantAgent(new Role(stack, 'Own', { assumedBy }), 'default');
stack.pemfleet.grantAgent(new Role(stack, 'Any', { assumedBy }), 'default', { status: 'fleet' });
const template = deployed({ template: Template.fromStack(stack) });
const bucketName = template.name('PemfleetBucket');
const keyOf = (host: string) => layout.status(fleetName.parse('default'), hostName.parse(host));

/** A host whose `aws:userid` ends with `session`. */
async function startHost(t: TestContext, role: 'Own' | 'Any', session: string) {
  const aws = await startBench(t);
  aws.s3.createBucket(bucketName);
  const policies = template.policiesOf(role);
  const { env } = aws.principal({ name: session, role: aws.role({ name: role, policies }) });
  return { aws, env };
}

/** Tests whose environment is put back already: hooks run in the order of their registration, so the first has to win. */
const isRestored = new WeakSet<TestContext>();

const openers = {
  SDK: async (t: TestContext, url: string, env: Record<string, string>) => {
    const restore = setEnv(env);
    if (!isRestored.has(t)) t.after(restore);
    isRestored.add(t);
    return openBucket(url);
  },
  'without the SDK': (_: TestContext, url: string, env: Record<string, string>) => openWithoutSdk(url, env),
};

for (const [kind, open] of Object.entries(openers)) {
  test(`status, ${kind}: a host writes its own only, whatever name it claims`, async (t) => {
    const { aws, env } = await startHost(t, 'Own', 'i-0aaa');
    const write = async (writer: string, host: string) => {
      const bucket = await open(t, `s3://${bucketName}?region=eu-central-1${writer}`, env);
      return bucket.put(keyOf(host), '{}').then(
        () => 'written',
        (error: unknown) => `${codeOf(error)} ${messageOf(error)}`,
      );
    };

    assert.equal(await write('&writer=i-0aaa', 'i-0aaa'), 'written');

    const denied = /^ERR_BUCKET_DENIED .*s3:PutObject with the tag pemfleet-writer=.* is denied/;
    assert.match(await write('&writer=i-0aaa', 'i-0bbb'), denied);
    assert.match(await write('&writer=i-0bbb', 'i-0bbb'), denied);
    assert.match(await write('', 'i-0aaa'), /^ERR_BUCKET_DENIED/);
    assert.deepEqual(aws.s3.keys(bucketName), [keyOf('i-0aaa')]);
  });
}

test('status: if the session is not named after the host, the right to the fleet lets it write', async (t) => {
  const { aws, env } = await startHost(t, 'Any', 'botocore-session-1');

  for (const options of ['', '&writer=lb1']) {
    await (await openWithoutSdk(`s3://${bucketName}?region=eu-central-1${options}`, env)).put(
      keyOf('lb1'),
      '{}',
    );
  }

  assert.deepEqual(aws.s3.keys(bucketName), [keyOf('lb1')]);
});

test('status: a session named after its host needs no more, in EC2 or elsewhere', async (t) => {
  const { aws, env } = await startHost(t, 'Own', 'mi-0123456789abcdef0');
  const bucket = await openWithoutSdk(
    `s3://${bucketName}?region=eu-central-1&writer=mi-0123456789abcdef0`,
    env,
  );

  await bucket.put(keyOf('mi-0123456789abcdef0'), '{}');

  assert.deepEqual(aws.s3.keys(bucketName), [keyOf('mi-0123456789abcdef0')]);
});
