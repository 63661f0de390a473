/** What each program may do on AWS, and nothing more: enforced in the end-to-end test. */

const allow = (Action: string | string[], Resource: string | string[], Condition?: object) => ({
  ...{ Effect: 'Allow', Action, Resource },
  ...(Condition && { Condition }),
});
const policy = (...Statement: object[]) => [{ Version: '2012-10-17', Statement }];

export const issuerPolicies = (bucket: string, account: string) =>
  policy(
    allow(['s3:GetObject', 's3:PutObject', 's3:DeleteObject'], `arn:aws:s3:::${bucket}/issuer/*`),
    allow(['s3:PutObject', 's3:DeleteObject'], `arn:aws:s3:::${bucket}/challenge/*`),
    allow(['s3:GetObject', 's3:PutObject'], `arn:aws:s3:::${bucket}/published/*`),
    allow('s3:GetObject', `arn:aws:s3:::${bucket}/status/*`),
    allow('s3:ListBucket', `arn:aws:s3:::${bucket}`),
    allow('ssm:SendCommand', `arn:aws:ssm:*:${account}:document/pemfleet-sync`),
    allow('ssm:SendCommand', `arn:aws:ec2:*:${account}:instance/*`, {
      StringEquals: { 'ssm:resourceTag/pemfleet:fleet': 'default' },
    }),
    allow('ssm:ListCommands', '*'),
    allow('route53:ListHostedZones', '*'),
    allow('route53:ListResourceRecordSets', 'arn:aws:route53:::hostedzone/*'),
    allow('route53:GetChange', 'arn:aws:route53:::change/*'),
    allow('route53:ChangeResourceRecordSets', 'arn:aws:route53:::hostedzone/*', {
      'ForAllValues:StringEquals': {
        'route53:ChangeResourceRecordSetsRecordTypes': ['TXT'],
        'route53:ChangeResourceRecordSetsActions': ['CREATE', 'DELETE'],
      },
      'ForAllValues:StringLike': {
        'route53:ChangeResourceRecordSetsNormalizedRecordNames': ['_acme-challenge.*'],
      },
      // A ForAllValues condition holds for nothing at all, too.
      Null: {
        'route53:ChangeResourceRecordSetsRecordTypes': 'false',
        'route53:ChangeResourceRecordSetsActions': 'false',
        'route53:ChangeResourceRecordSetsNormalizedRecordNames': 'false',
      },
    }),
  );

/** No listing: a token that is not there is denied, and answered by 404. */
export const responderPolicies = (bucket: string) =>
  policy(allow('s3:GetObject', `arn:aws:s3:::${bucket}/challenge/*`));

export const hostPolicies = (bucket: string, fleet: string, host: string) =>
  policy(
    allow('s3:GetObject', `arn:aws:s3:::${bucket}/published/${fleet}/*`),
    allow('s3:PutObject', `arn:aws:s3:::${bucket}/status/${fleet}/${host}.json`),
  );
