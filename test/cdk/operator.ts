/** The rights of an operator who upgrades agents: docs/iam.md prints them, and test/cdk/upgrade-agents.test.ts works with them. */
import { ACCOUNT, REGION } from './deployed.ts';

const arn = (service: string, resource: string) => `arn:aws:${service}:${REGION}:${ACCOUNT}:${resource}`;

/** @param tag of the hosts: `<deployment>/<fleet>` */
export function operatorPolicy(document: string, tag: string) {
  return {
    Version: '2012-10-17',
    Statement: [
      { Effect: 'Allow', Action: 'ssm:SendCommand', Resource: arn('ssm', `document/${document}`) },
      {
        Effect: 'Allow',
        Action: 'ssm:SendCommand',
        Resource: [arn('ec2', 'instance/*'), arn('ssm', 'managed-instance/*')],
        Condition: { StringEquals: { 'ssm:resourceTag/pemfleet:fleet': tag } },
      },
      { Effect: 'Allow', Action: 'ssm:ListCommandInvocations', Resource: '*' },
    ],
  };
}
