// What Route 53 and STS do to an issuer: the rows of faults.test.ts.
import type { DnsSettings } from '../../../lambda/config/dns.ts';
import { type Aws, refusals } from '../../aws/aws.ts';
import { setEnv, type Variables } from '../../support/env.ts';
import type { Account, Zones } from './account.ts';

interface Stage {
  aws: Aws;
  account: Account;
  zones: Zones;
}

export interface Row {
  says: string;
  /** @returns what ends the fault, where `beforeEach` does not */
  begin?: () => unknown;
  identifier?: string;
  settings?: () => DnsSettings['hostedZones'];
  code: string;
  message: RegExp;
  /** How it is mended, where that is not the end of the fault. */
  mended?: () => DnsSettings['hostedZones'];
}

export const CHANGE = 'ChangeResourceRecordSets';
/** For the SDK's chain; `beforeEach` makes it the administrator again. */
export const actAs = (env: Variables) => setEnv(env);
const byRole = (account: Account, externalId: string, roleArn = account.roleArn()) => [
  { domain: 'foreign.test', roleArn, externalId },
];
const inZone = (domain: string, hostedZoneId: string) => [{ domain, hostedZoneId }];

export const denied = ({ account, zones }: Stage): Row[] => [
  ...(['ListHostedZones', CHANGE, 'GetChange'] as const).map((action) => ({
    says: `${action} is denied`,
    begin: () => actAs(account.without(`route53:${action}`)),
    code: 'ERR_DNS_DENIED',
    message: new RegExp(`^route53:${action} is denied in the issuer's account`),
  })),
  {
    says: 'ListResourceRecordSets is denied, where it is needed',
    begin: () => actAs(account.without('route53:ListResourceRecordSets')),
    identifier: 'shared.own.test',
    code: 'ERR_DNS_DENIED',
    message: /^route53:ListResourceRecordSets is denied/,
  },
  {
    says: 'GetHostedZone is denied',
    begin: () => actAs(account.without('route53:GetHostedZone')),
    settings: () => inZone('own.test', zones.own),
    code: 'ERR_DNS_DENIED',
    message: /^route53:GetHostedZone is denied/,
  },
  {
    says: 'the credentials have expired',
    begin: () => actAs(account.expired()),
    code: 'ERR_DNS_DENIED',
    message: /no usable credentials for the issuer's account \(ExpiredToken/,
  },
  {
    says: 'the access key is unknown',
    begin: () => actAs({ AWS_ACCESS_KEY_ID: 'AKIAUNKNOWN' }),
    code: 'ERR_DNS_DENIED',
    message: /no usable credentials.*\(InvalidClientTokenId\)/,
  },
  {
    says: 'the secret is wrong',
    begin: () => actAs({ AWS_SECRET_ACCESS_KEY: 'wrong' }),
    code: 'ERR_DNS_DENIED',
    message: /no usable credentials.*\(SignatureDoesNotMatch\)/,
  },
  {
    says: 'the issuer may not assume the role',
    begin: () => actAs(account.without('sts:AssumeRole')),
    identifier: 'foreign.test',
    settings: () => byRole(account, 'fleet-7'),
    code: 'ERR_DNS_DENIED',
    message: /^sts:AssumeRole is denied .*role\/dns/,
  },
  {
    says: 'the external id differs',
    identifier: 'foreign.test',
    settings: () => byRole(account, 'fleet-8'),
    code: 'ERR_DNS_DENIED',
    message: /^sts:AssumeRole is denied .*role\/dns.*trust policy.*externalId/,
    mended: () => byRole(account, 'fleet-7'),
  },
  {
    says: 'there is no such role',
    identifier: 'foreign.test',
    settings: () => byRole(account, 'fleet-7', account.roleArn().replace(/dns$/, 'nobody')),
    code: 'ERR_DNS_DENIED',
    message: /^sts:AssumeRole is denied .*role\/nobody/,
    mended: () => byRole(account, 'fleet-7'),
  },
];

export const unwell = ({ aws }: Stage): Row[] => [
  {
    says: 'Throttling without an end',
    begin: () => aws.fault({ operation: CHANGE }, refusals.throttling()),
    code: 'ERR_DNS_CHANGE',
    message: /did not do route53:ChangeResourceRecordSets \(Throttling\)/,
  },
  {
    says: 'PriorRequestNotComplete without an end',
    begin: () => aws.fault({ operation: CHANGE }, refusals.priorRequestNotComplete()),
    code: 'ERR_DNS_CHANGE',
    message: /\(PriorRequestNotComplete\)/,
  },
  {
    says: 'the connection is reset before the answer',
    begin: () => aws.fault({ service: 'route53' }, { before: 'reset' }),
    code: 'ERR_DNS_CHANGE',
    message: /ListHostedZones \(ECONNRESET\)/,
  },
  {
    says: 'every answer to a change is lost, and the change is made',
    begin: () => aws.fault({ operation: CHANGE }, { wire: 'reset' }),
    code: 'ERR_DNS_CHANGE',
    message: /ChangeResourceRecordSets \(ECONNRESET\)/,
  },
  {
    says: 'a change is never in sync',
    begin: () => aws.route53.setInsyncAfter(Number.POSITIVE_INFINITY),
    code: 'ERR_ACME_DEADLINE',
    message: /^hosted zone own\.test \(Z\w+\) was not in sync before the pass ended/,
  },
];

export const unfit = ({ zones }: Stage): Row[] => [
  {
    says: 'no zone holds the name',
    identifier: 'www.nowhere.test',
    code: 'ERR_DNS_ZONE',
    message:
      /^no public hosted zone of the issuer's account holds _acme-challenge\.www\.nowhere\.test; it has .*own\.test/,
    mended: () => inZone('nowhere.test', zones.later()),
  },
  {
    says: 'the zone of that id is private',
    settings: () => inZone('own.test', zones.hidden),
    code: 'ERR_DNS_ZONE',
    message: /^hosted zone Z\w+ is private/,
    mended: () => [],
  },
  {
    says: 'there is no zone of that id',
    settings: () => inZone('own.test', 'Z0000000000NOWHERE'),
    code: 'ERR_DNS_ZONE',
    message: /has no such hosted zone.*Z0000000000NOWHERE/,
    mended: () => [],
  },
  {
    says: 'two public zones have the name',
    identifier: 'twin.test',
    code: 'ERR_DNS_ZONE',
    message: /several public hosted zones twin\.test: .*hostedZoneId/,
    mended: () => inZone('twin.test', zones.twin),
  },
];
