/**
 * The issuer as it ships: started from its asset in the template's environment, under the template's role, against Pebble and the
 * stand-in of AWS, which enforces the role's policies. It issues by DNS-01 and makes no call that its role forbids.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { Template } from 'aws-cdk-lib/assertions';
import { startBench } from '../aws/clients.ts';
import { AwsFailure } from '../aws/wire.ts';
import { COUNTS } from '../bench/counts.ts';
import { startPebble } from '../support/parts/pebble.ts';
import { deployed } from './deployed.ts';
import { stackOf } from './stacks.ts';

/** What Lambda does, but for the time that is left. */
const INVOKE = `import(process.argv[1]).then(({ handler }) => handler(JSON.parse(process.argv[2] ?? '{}'), {
  getRemainingTimeInMillis: () => 90_000, invokedFunctionArn: 'arn:aws:lambda:eu-central-1:123456789012:function:issuer' }))
  .then((result) => console.log(JSON.stringify({ result })))`;

async function deploy(t: TestContext) {
  const aws = await startBench(t);
  const pebble = await startPebble({ dnsServer: aws.dns.address });
  t.after(pebble.stop);
  const hostedZoneId = aws.route53.createZone({
    name: 'example.test',
    // A value of another writer has the same name: the issuer must read it and leave it there.
    records: [{ name: '_acme-challenge.example.test', type: 'TXT', ttl: 300, values: ['"not ours"'] }],
  });
  const { app, stack } = stackOf({
    acme: { directoryUrl: pebble.directoryUrl, termsOfServiceAgreed: true, caFile: pebble.caFile },
    challenge: 'dns-01',
    dns: { hostedZones: [{ domain: 'example.test', hostedZoneId }], resolvers: [aws.dns.address] },
    certificates: [
      { identifiers: ['example.test', '*.example.test'] },
      { identifiers: ['www.other.example.test'] },
    ],
  });
  const synthesized = Template.fromStack(stack);
  const template = deployed({ template: synthesized });
  const alarms = Object.values(synthesized.findResources('AWS::CloudWatch::Alarm'));
  const assets = readdirSync(app.outdir).map((name) => join(app.outdir, name));
  const directory =
    assets.find((path) => existsSync(join(path, 'pemfleet.json'))) ?? 'no asset has a pemfleet.json';
  aws.s3.createBucket(template.name('PemfleetBucket'));
  aws.sns.createTopic(template.name('PemfleetAlarmsTopic'));
  // So that a level rises in the first pass.
  aws.fault({ operation: 'SendCommand' }, { refuse: new AwsFailure(400, 'InvalidDocument', 'made up') });
  const document = template.name('PemfleetNotifyDocument');
  aws.ssm.createDocument(document, JSON.stringify(template.properties('PemfleetNotifyDocument')['Content']));
  const tags = { 'pemfleet:fleet': 'Pemfleet/default' };
  aws.ssm.host({ instanceId: 'i-0aaa', tags, cwd: directory, env: { PATH: '/nonexistent' } });
  const role = aws.role({ name: 'issuer', policies: template.policiesOf('PemfleetIssuerRole') });
  return { aws, template, alarms, directory, principal: aws.principal({ name: 'issuer', role }) };
}

/** The metrics that CloudWatch reads from a log line in embedded metric format. */
function metricsIn(stdout: string) {
  const lines = stdout.split('\n').filter((line) => line.includes('"_aws"'));
  return lines.flatMap((line) => {
    const { _aws, ...values } = JSON.parse(line);
    return _aws.CloudWatchMetrics.flatMap(
      (one: { Namespace: string; Dimensions: string[][]; Metrics: { Name: string }[] }) =>
        one.Metrics.map(({ Name }) => ({
          name: Name,
          namespace: one.Namespace,
          dimensions: one.Dimensions.flat().map((dimension) => [dimension, values[dimension]]),
        })),
    );
  });
}

const byName = <T extends { name: string }>(all: T[]) => all.sort((a, b) => a.name.localeCompare(b.name));

test('issuer: its asset issues by DNS-01 under its role, without a refused call', async (t) => {
  const { aws, template, alarms, directory, principal } = await deploy(t);
  const { Environment } = template.properties('PemfleetIssuerFunction') as {
    Environment: { Variables: Record<string, string> };
  };
  const env = { PATH: process.env['PATH'], ...Environment.Variables, ...principal.env };
  const program = join(directory, 'index.mjs');

  const { stdout } = await promisify(execFile)('node', ['-e', INVOKE, program], { cwd: directory, env });

  assert.deepEqual(readdirSync(directory).sort(), ['ca-0.pem', 'commands.mjs', 'index.mjs', 'pemfleet.json']);
  const issued = stdout.split('\n').filter((line) => line.includes('certificate.issued'));
  assert.equal(issued.length, 2, stdout);
  const isOfCertificate = /^(issuer\/(order|history)\/|published\/[^/]+\/(?!keys\.json$))/;
  const puts = aws.calls.filter(
    ({ operation, subject }) => operation === 'PutObject' && isOfCertificate.test(subject),
  );
  assert.equal(puts.length, issued.length * COUNTS.renewal.put);
  const keys = aws.s3.keys(template.name('PemfleetBucket'));
  assert.ok(keys.includes('published/default/root.json'), keys.join());
  assert.deepEqual(
    aws.calls.filter(({ status }) => status === 403).map(({ action, resource }) => `${action} ${resource}`),
    [],
  );
  assert.deepEqual(
    aws.sns.messages.map(({ topic, subject, text }) => [topic, subject, text.split('\n')[1]?.slice(0, 10)]),
    [[template.arn('PemfleetAlarmsTopic'), 'pemfleet: NotifyFailed 1', '- default ']],
  );
  const heard = alarms.map(({ Properties: { MetricName, Namespace, Dimensions } }) => ({
    name: MetricName,
    namespace: Namespace,
    dimensions: Dimensions.map(({ Name, Value }: { Name: string; Value: string }) => [Name, Value]),
  }));
  const told = metricsIn(stdout).filter(({ name }) => heard.some((one) => one.name === name));
  assert.deepEqual(byName(told), byName(heard), 'what the alarms listen to');
  const asked = new Set(aws.calls.flatMap(({ checks }) => checks.map(({ action }) => action)));
  const allowed = template
    .policiesOf('PemfleetIssuerRole')
    .flatMap(({ Statement }) => Statement.flatMap(({ Action }) => Action));
  assert.deepEqual(
    allowed.filter((action) => !asked.has(action) && !(action in NOT_IN_THIS_RUN)),
    [],
    'allowed, and neither used nor explained',
  );
});

test('first deployment: a pass that orders nothing writes the datum of RunFinished, and CloudFormation is answered', async (t) => {
  const { aws, template, directory, principal } = await deploy(t);
  const { Environment } = template.properties('PemfleetIssuerFunction') as {
    Environment: { Variables: Record<string, string> };
  };
  const env = { PATH: process.env['PATH'], ...Environment.Variables, ...principal.env };
  const answers: Record<string, string>[] = [];
  const cloudFormation = createServer(async (request, response) => {
    answers.push({
      ...((await json(request)) as Record<string, string>),
      type: request.headers['content-type'] ?? 'none',
    });
    response.end();
  });
  cloudFormation.listen(0, '127.0.0.1');
  await once(cloudFormation, 'listening');
  t.after(() => cloudFormation.close());
  const { port } = cloudFormation.address() as AddressInfo;
  const create = (bucket: string) => {
    const event = { RequestType: 'Create', ResponseURL: `http://127.0.0.1:${port}/signed`, StackId: 's' };
    const request = JSON.stringify({ ...event, RequestId: 'r', LogicalResourceId: 'FirstPass' });
    const program = join(directory, 'index.mjs');
    return promisify(execFile)('node', ['-e', INVOKE, program, request], {
      cwd: directory,
      env: { ...env, PEMFLEET_BUCKET: bucket },
    });
  };

  const { stdout } = await create(String(Environment.Variables['PEMFLEET_BUCKET']));
  const broken = await create('s3://there-is-no-such-bucket');

  assert.ok(metricsIn(stdout).some(({ name }) => name === 'RunFinished'));
  assert.match(broken.stdout + broken.stderr, /first-pass\.failed/);
  const answer = { Status: 'SUCCESS', StackId: 's', RequestId: 'r', LogicalResourceId: 'FirstPass' };
  assert.deepEqual(answers, Array(2).fill({ ...answer, PhysicalResourceId: 'first-pass', type: 'none' }));
  const changes = aws.calls.filter(({ operation }) => /ChangeResourceRecordSets|SendCommand/.test(operation));
  assert.deepEqual(changes, []);
});

const NOT_IN_THIS_RUN: Readonly<Record<string, string>> = {
  'logs:CreateLogStream': 'Lambda itself does it',
  'logs:PutLogEvents': 'Lambda itself does it',
  'sqs:SendMessage': 'Lambda itself does it, when a pass was red',
  'kms:Decrypt': 'S3 asks for it; the stand-in has no keys',
  'kms:GenerateDataKey': 'S3 asks for it; the stand-in has no keys',
  'ssm:SendCommand': 'of the notification',
  'ssm:ListCommands': 'of the notification: its results are read later',
};
