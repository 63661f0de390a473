/** The roles of a deployment with two fleets, and requests for IAM to judge under them. */
import { Stack } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { AccountPrincipal, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { HostedZone } from 'aws-cdk-lib/aws-route53';
import { ZoneAccess } from '../../cdk/index.ts';
import { createPolicyEngine } from '../aws/policy.ts';
import type { Check } from '../aws/wire.ts';
import { ACCOUNT, deployed, type PolicyDocument, REGION } from './deployed.ts';
import { acme, stackOf, synthesize } from './stacks.ts';

const document = {
  acme,
  dns: {
    hostedZones: [
      { domain: 'example.com', hostedZoneId: 'Z0OWN' },
      { domain: 'example.net', roleArn: 'arn:aws:iam::222222222222:role/pemfleet-dns' },
    ],
  },
  certificates: [
    { identifiers: ['www.example.com'], fleets: ['edge'] },
    { identifiers: ['*.example.com', 'example.com'], fleets: ['edge'] },
    { identifiers: ['shop.example.net'], fleets: ['edge', 'inner'] },
  ],
  notify: {
    channels: {
      people: { sns: 'arn:aws:sns:eu-central-1:111111111111:Ops' },
      programs: { eventbridge: 'arn:aws:events:eu-central-1:222222222222:event-bus/central' },
      chat: {
        webhook: { urlParameter: '/ops/chat-url', secretParameter: '/ops/chat-secret', template: 'slack' },
      },
    },
  },
};

export type Who =
  | 'issuer'
  | 'issuer by http-01'
  | 'responder'
  | 'host'
  | 'agent release'
  | 'scheduler'
  | 'operator'
  | 'auditor'
  | 'reader'
  | 'page reader'
  | 'foreign zone';

const dns = stackOf({ ...document, challenge: 'dns-01' });
const hosts = new Role(dns.stack, 'Hosts', { assumedBy: new ServicePrincipal('ec2.amazonaws.com') });
dns.stack.pemfleet.grantAgent(hosts, 'edge');
const people = { assumedBy: new AccountPrincipal(ACCOUNT) };
dns.stack.pemfleet.grantOperator(new Role(dns.stack, 'Operator', people));
dns.stack.pemfleet.grantAuditor(new Role(dns.stack, 'Auditor', people));
dns.stack.pemfleet.grantAuditor(new Role(dns.stack, 'Reader', people), { bucket: true });
dns.stack.pemfleet.grantPageReader(new Role(dns.stack, 'PageReader', people));
const zones = new Stack(dns.app, 'Zones');
new ZoneAccess(zones, 'Access', {
  hostedZone: HostedZone.fromHostedZoneId(zones, 'Zone', 'Z0FOREIGN'),
  identifiers: ['shop.example.net'],
  trusted: new AccountPrincipal(ACCOUNT),
  findByName: true,
});

export const byDns = deployed({ template: Template.fromStack(dns.stack) });
const names = { certificates: [{ identifiers: ['www.example.com'], fleets: ['edge', 'inner'] }] };
export const byHttp = deployed(synthesize({ acme, ...names, challenge: 'http-01' }));
const foreign = deployed({ template: Template.fromStack(zones) }, '222222222222');

export const policies: Readonly<Record<Who, PolicyDocument[]>> = {
  issuer: byDns.policiesOf('PemfleetIssuerRole'),
  'issuer by http-01': byHttp.policiesOf('PemfleetIssuerRole'),
  responder: byHttp.policiesOf('PemfleetResponderRole'),
  host: byDns.policiesOf('Hosts'),
  'agent release': byDns.policiesOf('PemfleetAgentReleaseRole'),
  scheduler: byDns.policiesOf('PemfleetIssuerSchedulerRole'),
  operator: byDns.policiesOf('Operator'),
  auditor: byDns.policiesOf('Auditor'),
  reader: byDns.policiesOf('Reader'),
  'page reader': byDns.policiesOf('PageReader'),
  'foreign zone': foreign.policiesOf('AccessRole'),
};

const decide = createPolicyEngine(REGION);

/** Judges a session of the role; a host's session is named after its instance. */
export async function isAllowed(who: Who, check: Check): Promise<boolean> {
  const accountId = who === 'foreign zone' ? '222222222222' : ACCOUNT;
  const role = who.replaceAll(' ', '-');
  const caller = {
    arn: `arn:aws:sts::${accountId}:assumed-role/${role}/i-0aaa`,
    accountId,
    userId: 'AROAEXAMPLE:i-0aaa',
    tags: {},
    policies: policies[who],
  };
  // A key is usable only if its own policy allows it, too.
  const { KeyPolicy: resourcePolicy } = byDns.properties('PemfleetKey') as { KeyPolicy: object };
  const { PolicyDocument: bucketPolicy } = byDns.properties('PemfleetBucketPolicy') as {
    PolicyDocument: object;
  };
  const ofBucket = check.action.startsWith('s3:') ? { ...check, resourcePolicy: bucketPolicy } : check;
  const asked = check.action.startsWith('kms:') ? { ...check, resourcePolicy } : ofBucket;
  return (await decide(caller, asked)) === 'allowed';
}

export const object = (key: string, of = byDns) => `${of.arn('PemfleetBucket')}/${key}`;

/** The context of S3's request to KMS for an object under a bucket key. */
export const throughS3 = (of = byDns) => ({
  'kms:ViaService': `s3.${REGION}.amazonaws.com`,
  'kms:EncryptionContext:aws:s3:arn': of.arn('PemfleetBucket'),
});

export const change = (name: string, type = 'TXT', action = 'CREATE') => ({
  'route53:ChangeResourceRecordSetsNormalizedRecordNames': [name],
  'route53:ChangeResourceRecordSetsRecordTypes': [type],
  'route53:ChangeResourceRecordSetsActions': [action],
});

/** The context of a host that names itself when it writes its status. */
export const writtenBy = (host: string) => ({ 's3:RequestObjectTag/pemfleet-writer': host });

export const zone = (id: string) => `arn:aws:route53:::hostedzone/${id}`;
export const ssmDocument = (name: string) => `arn:aws:ssm:${REGION}:${ACCOUNT}:document/${name}`;
export const instance = `arn:aws:ec2:${REGION}:${ACCOUNT}:instance/i-0aaa`;
export const tagged = (fleet: string) => ({ 'ssm:resourceTag/pemfleet:fleet': `Pemfleet/${fleet}` });
/** Of the parameter from which hosts take the key that they trust. */
export function trustParameterOf({ properties }: typeof byDns): string {
  const { Environment } = properties('PemfleetIssuerFunction') as {
    Environment: { Variables: Record<string, string> };
  };
  return `arn:aws:ssm:${REGION}:${ACCOUNT}:parameter${Environment.Variables['PEMFLEET_TRUST_PARAMETER']}`;
}
