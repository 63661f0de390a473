// Hosted zones as they are found in the world, and who may do what with them.
import type { Aws } from '../../aws/aws.ts';

export interface Zones {
  own: string;
  /** private, of the same name */
  hidden: string;
  /** one of two public ones of the same name */
  twin: string;
  /** makes the zone that was missing */
  later: () => string;
}

export interface Account {
  /** Of another account's role, which may be assumed with the external id `fleet-7`. */
  roleArn: () => string;
  /** The environment of a principal that may do everything but this. */
  without: (action: string) => Record<string, string>;
  expired: () => Record<string, string>;
}

const OTHER = '222222222222';

export function furnish(aws: Aws): { account: Account; zones: Zones } {
  const zone = (name: string, options: object = {}) => aws.route53.createZone({ name, ...options });
  const theirs = { name: '_acme-challenge.shared.own.test', type: 'TXT', ttl: 300, values: ['"theirs"'] };
  const zones = {
    own: zone('own.test', { records: [theirs] }),
    hidden: zone('own.test', { isPrivate: true }),
    twin: zone('twin.test'),
    later: () => zone('nowhere.test'),
  };
  zone('twin.test');
  zone('foreign.test', { accountId: OTHER });
  // Others have it, so that its name servers answer.
  zone('nowhere.test', { accountId: OTHER });
  const role = aws.role({
    name: 'dns',
    policies: 'everything',
    trust: trustWith('fleet-7'),
    accountId: OTHER,
  });
  const account = {
    roleArn: () => role.arn,
    without: (action: string) => {
      const all = { Effect: 'Allow', Action: '*', Resource: '*' };
      const none = { Effect: 'Deny', Action: action, Resource: '*' };
      const policies = [{ Version: '2012-10-17', Statement: [all, none] }];
      return aws.principal({ name: `without-${action.replace(':', '-')}`, policies }).env;
    },
    expired: () => {
      const old = aws.role({ name: 'old', policies: 'everything' });
      return aws.principal({ name: 'old', role: old, expiresAt: new Date(0) }).env;
    },
  };
  return { account, zones };
}

const trustWith = (externalId: string) => ({
  Version: '2012-10-17',
  Statement: [
    {
      Effect: 'Allow',
      Action: 'sts:AssumeRole',
      Principal: { AWS: 'arn:aws:iam::111111111111:root' },
      Condition: { StringEquals: { 'sts:ExternalId': externalId } },
    },
  ],
});
