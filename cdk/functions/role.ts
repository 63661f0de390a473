/** The role of a function. It may write to its own log group only; AWS's managed policy would let it write to all of them. */
import { RemovalPolicy } from 'aws-cdk-lib';
import { Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { LogGroup, RetentionDays } from 'aws-cdk-lib/aws-logs';
import type { Construct } from 'constructs';
import { allow, type Right } from '../access/right.ts';
import type { PemfleetProps } from '../settings/props.ts';

/** A role that a function runs under, and the function's log group. */
export interface FunctionRole {
  readonly role: Role;
  readonly logGroup: LogGroup;
}

/** Creates both, with the right to write to the log group and `rights`. */
export function functionRole(scope: Construct, props: PemfleetProps, rights: readonly Right[]): FunctionRole {
  const logGroup = new LogGroup(scope, 'Logs', {
    retention: props.logRetention ?? RetentionDays.ONE_MONTH,
    removalPolicy: RemovalPolicy.DESTROY,
  });
  const role = new Role(scope, 'Role', { assumedBy: new ServicePrincipal('lambda.amazonaws.com') });
  const actions = ['logs:CreateLogStream', 'logs:PutLogEvents'];
  allow(role, [{ sid: 'Logs', actions, resources: [logGroup.logGroupArn] }, ...rights]);
  return { role, logGroup };
}
