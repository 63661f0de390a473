/** Stacks for tests: with the defaults, with everything set, or with any props between. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { App, RemovalPolicy, Stack } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { SecurityGroup, SubnetType, Vpc } from 'aws-cdk-lib/aws-ec2';
import { ManagedPolicy, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Key } from 'aws-cdk-lib/aws-kms';
import { RetentionDays } from 'aws-cdk-lib/aws-logs';
import { HostedZone } from 'aws-cdk-lib/aws-route53';
import { Bucket } from 'aws-cdk-lib/aws-s3';
import { Topic } from 'aws-cdk-lib/aws-sns';
import { type PemfleetProps, PemfleetStack, pemfleetConfigOf } from '../../cdk/index.ts';
import { makeAgentRelease } from '../support/parts/agent-release.ts';
import { makeTempDir } from '../support/temp-dir.ts';

export const acme = { directoryUrl: 'letsencrypt', termsOfServiceAgreed: true };
/** The smallest valid pemfleet.yaml. */
export const small = { acme, challenge: 'dns-01', certificates: [{ identifiers: ['www.example.com'] }] };

export const agentRelease = makeAgentRelease();

type Rest = Omit<PemfleetProps, 'config'>;

export interface Synthesized {
  app: App;
  stack: PemfleetStack;
  template: Template;
}

export function synthesize(document: object = small, props: Rest = {}): Synthesized {
  const { app, stack } = stackOf(document, props);
  return { app, stack, template: Template.fromStack(stack) };
}

/** Not yet synthesized, so that a test can add to it. */
export function stackOf(document: object = small, props: Rest = {}): Omit<Synthesized, 'template'> {
  const app = newApp();
  const pemfleet = { config: pemfleetConfigOf(document), agentRelease, ...props };
  return { app, stack: new PemfleetStack(app, 'Pemfleet', { pemfleet }) };
}

/** CloudFormation's rules take seconds per template; validation.test.ts checks them. */
function newApp(): App {
  return new App({ builtinCloudFormationValidation: false });
}

/** Every key of pemfleet.yaml that matters to a deployment, and every property of the construct. */
export function synthesizeEverything(): Synthesized {
  const app = newApp();
  const env = { account: '111122223333', region: 'eu-central-1' };
  const given = new Stack(app, 'Given', { env });
  const file = join(makeTempDir().path, 'pemfleet.yaml');
  writeFileSync(join(file, '../private.pem'), 'trust anchors of a private CA\n');
  const vpc = Vpc.fromVpcAttributes(given, 'Vpc', {
    vpcId: 'vpc-0123456789abcdef0',
    availabilityZones: ['eu-central-1a', 'eu-central-1b'],
    privateSubnetIds: ['subnet-0123456789abcdef0', 'subnet-0123456789abcdef1'],
  });
  const stack = new PemfleetStack(app, 'Pemfleet', {
    env,
    pemfleet: {
      config: pemfleetConfigOf(everything, file),
      agentRelease,
      removalPolicy: RemovalPolicy.DESTROY,
      encryptionKey: Key.fromKeyArn(
        given,
        'Key',
        'arn:aws:kms:eu-central-1:111122223333:key/01234567-89ab-cdef-0123-456789abcdef',
      ),
      accessLogsBucket: Bucket.fromBucketName(given, 'Logs', 'access-logs'),
      hostedZones: [HostedZone.fromHostedZoneId(given, 'Zone', 'Z0EXAMPLE')],
      delegatedRecordNames: ['shop.acme.example.net'],
      reserveConcurrency: false,
      vpc,
      vpcSubnets: { subnetType: SubnetType.PRIVATE_WITH_EGRESS },
      securityGroups: [SecurityGroup.fromSecurityGroupId(given, 'Group', 'sg-0123456789abcdef0')],
      permissionsBoundary: ManagedPolicy.fromManagedPolicyName(given, 'Boundary', 'boundary'),
      logRetention: RetentionDays.ONE_YEAR,
      serviceName: 'pemfleet-edge',
      alarms: true,
      alarmTopic: new Topic(given, 'Topic', { enforceSSL: true }),
      alarmEmails: ['ops@example.com'],
      dashboard: true,
    },
  });
  const hosts = new Role(stack, 'Hosts', { assumedBy: new ServicePrincipal('ec2.amazonaws.com') });
  stack.pemfleet.grantAgent(hosts, 'edge');
  return { app, stack, template: Template.fromStack(stack) };
}

const everything = {
  bucket: 's3://certificates-of-example',
  acme: { ...acme, directoryUrl: 'https://ca.example.com/directory', caFile: 'private.pem' },
  fallback: [
    {
      ...acme,
      directoryUrl: 'google',
      externalAccountBinding: { kid: 'abc', hmacKeyFile: 'google-eab.key' },
    },
  ],
  challenge: 'dns-01',
  dns: {
    hostedZones: [
      { domain: 'example.org', hostedZoneId: 'Z0OWN' },
      {
        domain: 'example.net',
        roleArn: 'arn:aws:iam::444455556666:role/pemfleet-dns',
        externalId: 'secret-of-two',
      },
    ],
    resolvers: ['192.0.2.53'],
  },
  wakeMinutes: 20,
  concurrency: 5,
  ordersPer3Hours: 100,
  certificates: [
    {
      identifiers: ['*.example.com', 'example.com'],
      fleets: ['edge', 'inner'],
      keyTypes: ['ec256', 'rsa2048'],
    },
    { name: 'org', identifiers: ['www.example.org'], profile: 'tlsserver', reuseKey: true },
    { identifiers: ['shop.example.net'], fleets: ['edge'] },
  ],
};

/** With the responder, which only HTTP-01 needs. */
export const http01 = { ...small, challenge: 'http-01' };
