/** Hosts and hosted zones of other accounts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { App, Stack } from 'aws-cdk-lib';
import { Match, Template } from 'aws-cdk-lib/assertions';
import { AccountPrincipal, Role } from 'aws-cdk-lib/aws-iam';
import { HostedZone } from 'aws-cdk-lib/aws-route53';
import { WRITER } from '../../cdk/bucket/prefixes.ts';
import { PemfleetStack, pemfleetConfigOf, ZoneAccess } from '../../cdk/index.ts';
import { agentRelease, small } from './stacks.ts';

const hostsArn = 'arn:aws:iam::222222222222:role/hosts';

test('hosts of another account: bucket and key name their role, for their fleet', () => {
  const app = new App({ builtinCloudFormationValidation: false });
  const env = { account: '111111111111', region: 'eu-central-1' };
  const pemfleet = { config: pemfleetConfigOf(small), agentRelease };
  const stack = new PemfleetStack(app, 'Pemfleet', { env, pemfleet });
  stack.pemfleet.grantAgent(Role.fromRoleArn(stack, 'Hosts', hostsArn), 'default');
  const template = Template.fromStack(stack);

  const named = (Action: unknown, more: object = {}) =>
    Match.arrayWith([Match.objectLike({ Action, Principal: { AWS: hostsArn }, ...more })]);
  const ownOnly = { Condition: { StringLike: { 'aws:userid': `*:${WRITER}` } } };
  for (const Statement of [named('s3:GetObject'), named(['s3:PutObject', 's3:PutObjectTagging'], ownOnly)]) {
    template.hasResourceProperties('AWS::S3::BucketPolicy', { PolicyDocument: { Statement } });
  }
  const Condition = Match.objectLike({ StringEquals: Match.anyValue() });
  template.hasResourceProperties('AWS::KMS::Key', {
    KeyPolicy: { Statement: named(['kms:Decrypt', 'kms:GenerateDataKey'], { Condition }) },
  });
});

test('zone of another account: its role trusts one account with an external id', () => {
  const stack = new Stack(new App({ builtinCloudFormationValidation: false }), 'Zones');
  new ZoneAccess(stack, 'Access', {
    hostedZone: HostedZone.fromHostedZoneId(stack, 'Zone', 'Z0EXAMPLE'),
    identifiers: ['*.example.net'],
    trusted: new AccountPrincipal('111111111111'),
    externalId: 'known-to-two',
    roleName: 'pemfleet-dns',
  });
  const template = Template.fromStack(stack);

  template.hasResourceProperties('AWS::IAM::Role', {
    RoleName: 'pemfleet-dns',
    AssumeRolePolicyDocument: {
      Statement: [Match.objectLike({ Condition: { StringEquals: { 'sts:ExternalId': 'known-to-two' } } })],
    },
  });
});

test('many names: patterns by domain replace them, so that the policy stays within its limit', () => {
  const certificates = Array.from({ length: 500 }, (_, index) => ({
    identifiers: [`host-${index}.region-${index % 7}.example.com`],
  }));
  const app = new App({ builtinCloudFormationValidation: false });
  const config = pemfleetConfigOf({ ...small, certificates });
  const stack = new PemfleetStack(app, 'Pemfleet', { pemfleet: { config } });
  const [policy = {}] = Object.entries(Template.fromStack(stack).findResources('AWS::IAM::Policy'))
    .filter(([id]) => id.startsWith('PemfleetIssuerRole'))
    .map(([, found]) => found['Properties'].PolicyDocument);

  const text = JSON.stringify(policy);
  assert.ok(text.length < 10_240, `${text.length} characters`);
  assert.match(text, /"ForAllValues:StringLike":\{[^}]*"_acme-challenge\.\*\.example\.com"/);
});
