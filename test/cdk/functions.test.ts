/** Properties of bucket, functions and schedule that must hold, whatever else the template says. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { App } from 'aws-cdk-lib';
import { Match, Template } from 'aws-cdk-lib/assertions';
import { PemfleetStack, pemfleetConfigOf } from '../../cdk/index.ts';
import { http01, small, synthesize, synthesizeEverything } from './stacks.ts';

const defaults = synthesize(http01).template;
const everything = synthesizeEverything().template;

test('bucket: encrypted by KMS with a bucket key, versioned, closed to the public, kept when the stack is deleted, but not when its creation fails', () => {
  defaults.hasResource('AWS::S3::Bucket', {
    DeletionPolicy: 'RetainExceptOnCreate',
    UpdateReplacePolicy: 'Retain',
    Properties: {
      BucketEncryption: {
        ServerSideEncryptionConfiguration: [
          { BucketKeyEnabled: true, ServerSideEncryptionByDefault: { SSEAlgorithm: 'aws:kms' } },
        ],
      },
      OwnershipControls: { Rules: [{ ObjectOwnership: 'BucketOwnerEnforced' }] },
      PublicAccessBlockConfiguration: {
        BlockPublicAcls: true,
        BlockPublicPolicy: true,
        IgnorePublicAcls: true,
        RestrictPublicBuckets: true,
      },
      VersioningConfiguration: { Status: 'Enabled' },
    },
  });
  defaults.hasResource('AWS::KMS::Key', {
    DeletionPolicy: 'RetainExceptOnCreate',
    Properties: { EnableKeyRotation: true },
  });
});

test('bucket: refuses requests below TLS 1.2', () => {
  for (const Condition of [
    { Bool: { 'aws:SecureTransport': 'false' } },
    { NumericLessThan: { 's3:TlsVersion': 1.2 } },
  ]) {
    defaults.hasResourceProperties('AWS::S3::BucketPolicy', {
      PolicyDocument: {
        Statement: Match.arrayWith([
          Match.objectLike({ Effect: 'Deny', Action: 's3:*', Principal: { AWS: '*' }, Condition }),
        ]),
      },
    });
  }
});

test('bucket: challenges and statuses go by their age; nothing that a manifest may name does', () => {
  const rule = (Prefix: string, ExpirationInDays: unknown) => ({
    LifecycleConfiguration: { Rules: Match.arrayWith([Match.objectLike({ Prefix, ExpirationInDays })]) },
  });
  defaults.hasResourceProperties('AWS::S3::Bucket', rule('challenge/', 1));
  defaults.hasResourceProperties('AWS::S3::Bucket', rule('status/', 7));
});

test('bucket: manifests and accounts never expire', () => {
  const [bucket] = Object.values(defaults.findResources('AWS::S3::Bucket'));
  const rules: { Prefix?: string; ExpirationInDays?: number }[] =
    bucket?.['Properties'].LifecycleConfiguration.Rules;
  const expiring = rules.filter((rule) => rule.ExpirationInDays !== undefined).map((rule) => rule.Prefix);

  assert.deepEqual(expiring.sort(), ['challenge/', 'status/']);
});

test('bucket: keys that the issuer deletes, and records of orders, stay as earlier versions for a day; all else for thirty', () => {
  const [bucket] = Object.values(defaults.findResources('AWS::S3::Bucket'));
  const rules: { Prefix?: string; NoncurrentVersionExpiration?: { NoncurrentDays: number } }[] =
    bucket?.['Properties'].LifecycleConfiguration.Rules;
  const days = (prefix?: string) =>
    rules.find(({ Prefix }) => Prefix === prefix)?.NoncurrentVersionExpiration?.NoncurrentDays;

  assert.deepEqual(['published/default/pem/', 'issuer/order/', undefined].map(days), [1, 1, 30]);
});

test('issuer: one at a time, on arm64 and the current LTS, without retries by Lambda', () => {
  defaults.hasResourceProperties('AWS::Lambda::Function', {
    Architectures: ['arm64'],
    Runtime: 'nodejs24.x',
    Timeout: 900,
    Environment: {
      Variables: Match.objectLike({
        PEMFLEET_BUCKET: Match.anyValue(),
        PEMFLEET_NOTIFY_DOCUMENT: Match.anyValue(),
        PEMFLEET_TRUST_PARAMETER: Match.stringLikeRegexp('^(/[A-Za-z0-9.-]+)+/trust$'),
      }),
    },
  });
  defaults.hasResourceProperties('AWS::Lambda::EventInvokeConfig', {
    MaximumRetryAttempts: 0,
    MaximumEventAgeInSeconds: 1800,
    DestinationConfig: { OnFailure: { Destination: Match.anyValue() } },
  });
});

test('a new account has ten executions in all: none is reserved unless asked for', () => {
  const reserved = ({ template }: { template: typeof defaults }) =>
    Object.values(template.findResources('AWS::Lambda::Function'))
      .flatMap(({ Properties }) => Properties.ReservedConcurrentExecutions ?? [])
      .sort();

  assert.deepEqual(reserved({ template: defaults }), []);
  assert.deepEqual(reserved(synthesize(http01, { reserveConcurrency: true })), [1, 50]);
});

test('a new deployment does not begin with an alarm: RunFinished waits for a first pass of the issuer', () => {
  const [id = '', first] = Object.entries(defaults.findResources('Custom::PemfleetFirstPass'))[0] ?? [];
  const [alarm] = Object.values(
    defaults.findResources('AWS::CloudWatch::Alarm', { Properties: { MetricName: 'RunFinished' } }),
  );

  assert.match(first?.['Properties'].ServiceToken['Fn::GetAtt'][0], /^PemfleetIssuerFunction/);
  assert.ok(alarm?.['DependsOn'].includes(id));
});

test('two stacks in one account and region: neither metrics, nor alarms, nor tags of hosts are shared', () => {
  const factsOf = (stackName: string) => {
    const stack = new PemfleetStack(new App({ builtinCloudFormationValidation: false }), stackName, {
      pemfleet: { config: pemfleetConfigOf(small) },
    });
    const template = Template.fromStack(stack);
    const alarms = Object.values(template.findResources('AWS::CloudWatch::Alarm'));
    const policies = JSON.stringify(template.findResources('AWS::IAM::Policy'));
    const tagged = JSON.parse(/"ssm:resourceTag\/pemfleet:fleet":(\[[^\]]*\])/.exec(policies)?.[1] ?? '[]');
    return [
      ...new Set(alarms.map(({ Properties }) => `service=${Properties.Dimensions[0].Value}`)),
      ...alarms.map(({ Properties }) => Properties.AlarmName),
      ...[...tagged, stack.pemfleet.hostTag('default').value].map((tag) => `tag=${tag}`),
    ];
  };
  const [one, two] = [factsOf('Edge'), factsOf('Inner')];

  assert.ok(one.includes('service=Edge') && one.includes('tag=Edge/default'));
  assert.deepEqual(
    one.filter((fact) => two.includes(fact)),
    [],
  );
});

for (const wakeMinutes of [15, 20, 30, 60]) {
  test(`schedule: every ${wakeMinutes} minutes, never near the hour, in a window, undelivered invocations kept`, () => {
    const { template } = synthesize({ ...small, wakeMinutes }, { alarms: false, dashboard: false });
    const [schedule] = Object.values(template.findResources('AWS::Scheduler::Schedule'));
    const { ScheduleExpression, FlexibleTimeWindow, Target } = schedule?.['Properties'] ?? {};
    const [, listed = ''] = /^cron\(([0-9,]+) \* \* \* \? \*\)$/.exec(ScheduleExpression) ?? [];
    const minutes = listed.split(',').map(Number);

    assert.equal(minutes.length, 60 / wakeMinutes);
    assert.deepEqual(
      minutes,
      minutes.map((_, index) => Number(minutes[0]) + index * wakeMinutes),
    );
    assert.equal(FlexibleTimeWindow.Mode, 'FLEXIBLE');
    for (const minute of minutes) {
      assert.ok(minute % 60 >= 2, `${minute} is close to the hour`);
      assert.ok(minute + FlexibleTimeWindow.MaximumWindowInMinutes <= 58, `${minute} may slip to the hour`);
    }
    assert.ok(Target.DeadLetterConfig.Arn);
  });
}

test('schedule: it follows from the lifetime of the certificates', () => {
  const acme = { ...small.acme, directoryUrl: 'https://ca.example/directory', lifetime: '6h' };
  const { template } = synthesize({ ...small, acme }, { alarms: false, dashboard: false });
  const [schedule] = Object.values(template.findResources('AWS::Scheduler::Schedule'));
  const [, listed = ''] = /^cron\(([0-9,]+) /.exec(schedule?.['Properties'].ScheduleExpression) ?? [];

  assert.equal(listed.split(',').length, 4, 'every 15 minutes');
});

test('schedule: minutes that do not divide an hour become a rate', () => {
  const { template } = synthesize({ ...small, wakeMinutes: 25 }, { alarms: false, dashboard: false });

  template.hasResourceProperties('AWS::Scheduler::Schedule', { ScheduleExpression: 'rate(25 minutes)' });
});

test('responder: exists for HTTP-01 only, small, and public by its URL alone', () => {
  defaults.hasResourceProperties('AWS::Lambda::Url', { AuthType: 'NONE' });
  defaults.hasResourceProperties('AWS::Lambda::Function', {
    Timeout: 10,
    Environment: { Variables: { PEMFLEET_BUCKET: Match.anyValue() } },
  });
  defaults.hasResourceProperties('AWS::Lambda::Permission', {
    Action: 'lambda:InvokeFunction',
    InvokedViaFunctionUrl: true,
  });
  defaults.resourcePropertiesCountIs('AWS::Lambda::Permission', { InvokedViaFunctionUrl: Match.absent() }, 1);
  everything.resourceCountIs('AWS::Lambda::Url', 0);
  synthesize({ ...small, challenge: 'http-01-stateless' }).template.resourceCountIs('AWS::Lambda::Url', 0);
});

test('responder: closed by a secret, whose parameter its role may read, and whose value stands nowhere', () => {
  const name = '/pemfleet/responder-secret';
  const { template, stack } = synthesize(http01, { responderSecret: name });
  const text = JSON.stringify(template.toJSON());

  template.hasResourceProperties('AWS::Lambda::Function', {
    Environment: { Variables: Match.objectLike({ PEMFLEET_RESPONDER_SECRET_PARAMETER: name }) },
    LoggingConfig: Match.objectLike({ LogFormat: 'JSON', SystemLogLevel: 'WARN' }),
  });
  assert.match(
    text,
    /"ssm:GetParameter"[^}]*"Resource":\{"Fn::Join":\["",\[[^\]]*:parameter\/pemfleet\/responder-secret"\]/,
  );
  assert.match(
    stack.pemfleet.haproxyConfig('default'),
    /x-pemfleet-secret %\[env\(PEMFLEET_RESPONDER_SECRET\)\]/,
  );
  assert.ok(!text.includes('resolve:'), 'CloudFormation would write the value into the environment');
});

test('every role has the permissions boundary, every log its retention', () => {
  const roles = everything.findResources('AWS::IAM::Role', {
    Properties: { PermissionsBoundary: Match.absent() },
  });
  // The role of the hosts belongs to the user.
  assert.deepEqual(
    Object.keys(roles).map((id) => id.slice(0, 5)),
    ['Hosts'],
  );
  defaults.allResourcesProperties('AWS::Logs::LogGroup', { RetentionInDays: 30 });
  everything.allResourcesProperties('AWS::Logs::LogGroup', { RetentionInDays: 365 });
});

test('construct: a fleet without certificates is refused', () => {
  const { pemfleet } = synthesize(small).stack;

  const refused = /no certificate is configured for the fleet egde; pemfleet\.yaml has default/;
  assert.throws(() => pemfleet.userData('egde'), refused);
  assert.throws(() => pemfleet.haproxyConfig('egde'), refused);
  assert.throws(() => pemfleet.grantAgent(pemfleet.issuer, 'egde'), refused);
});

test('construct: its metrics have the dimension of its service', () => {
  const { pemfleet } = synthesize(small, { serviceName: 'edge' }).stack;

  assert.deepEqual(pemfleet.metricDaysToExpiry().toMetricConfig().metricStat?.dimensions, [
    { name: 'service', value: 'edge' },
  ]);
  assert.equal(pemfleet.metricHostsBehind({ statistic: 'Sum' }).statistic, 'Sum');
});
