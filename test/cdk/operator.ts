/** The rights of an operator who upgrades agents: docs/iam.md prints them, and test/cdk/upgrade-agents.test.ts works with them. */
import { ACCOUNT, REGION } from './deployed.ts';

const arn = (service: string, resource: string) => `arn:aws:${service}:${REGION}:${ACCOUNT}:${resource}`;

/** @param tag of the hosts: `<deployment>/<fleet>` */
export function operatorPolicy({ document, tag, bucket }: { document: string; tag: string; bucket: string }) {
  return {
    Version: '2012-10-17',
    Statement: [
      {
        Effect: 'Allow',
        Action: ['ssm:DescribeDocument', 'ssm:SendCommand'],
        Resource: arn('ssm', `document/${document}`),
      },
      {
        Effect: 'Allow',
        Action: 'ssm:SendCommand',
        Resource: [arn('ec2', 'instance/*'), arn('ssm', 'managed-instance/*')],
        Condition: { StringEquals: { 'ssm:resourceTag/pemfleet:fleet': tag } },
      },
      { Effect: 'Allow', Action: 'ssm:ListCommandInvocations', Resource: '*' },
      // The audit trail, and what tries whether the store heeds the conditions of a write.
      {
        Effect: 'Allow',
        Action: 's3:PutObject',
        Resource: [`arn:aws:s3:::${bucket}/issuer/audit/*`, `arn:aws:s3:::${bucket}/issuer/probe/*`],
      },
      { Effect: 'Allow', Action: 's3:DeleteObject', Resource: `arn:aws:s3:::${bucket}/issuer/probe/*` },
    ],
  };
}
