/** The issuer on its schedule. The schedule is the retry loop: Lambda itself retries nothing. */
import { Duration, RemovalPolicy } from 'aws-cdk-lib';
import { Alias, Architecture, Function as LambdaFunction } from 'aws-cdk-lib/aws-lambda';
import { Queue, QueueEncryption } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { type IssuerAccess, issuerRights } from '../access/issuer-access.ts';
import type { Right } from '../access/right.ts';
import { acknowledgeFinding } from '../settings/acknowledge.ts';
import type { PemfleetProps } from '../settings/props.ts';
import { issuerCode } from './code.ts';
import { functionRole } from './role.ts';
import { NODE_24 } from './runtime.ts';
import { createSchedule } from './schedule.ts';

/** The function that orders and publishes certificates. */
export interface Issuer {
  readonly fn: LambdaFunction;
  /** Queue of passes that failed, and of invocations that never started. */
  readonly failures: Queue;
  /** By which people send commands to {@link fn}: by `read` they change nothing. */
  readonly aliases: { readonly read: Alias; readonly change: Alias };
}

export function createIssuer(parent: Construct, props: PemfleetProps, access: IssuerAccess): Issuer {
  const scope = new Construct(parent, 'Issuer');
  const { wakeMinutes } = props.config.config;
  const failures = createFailures(scope);
  const rights = [...issuerRights(props, access), failureRight(failures)];
  const { role, logGroup } = functionRole(scope, props, rights);
  const fn = new LambdaFunction(scope, 'Function', {
    description: 'pemfleet: orders, renews and publishes certificates',
    runtime: NODE_24,
    architecture: Architecture.ARM_64,
    handler: 'index.handler',
    code: issuerCode(scope, props.config),
    role,
    logGroup,
    memorySize: 512,
    timeout: Duration.minutes(15),
    environment: {
      PEMFLEET_BUCKET: `s3://${access.bucket.bucketName}`,
      PEMFLEET_NOTIFY_DOCUMENT: access.document.ref,
      PEMFLEET_TRUST_PARAMETER: access.trustParameter,
      ...(access.topic && { PEMFLEET_ALARM_TOPIC: access.topic.topicArn }),
      POWERTOOLS_METRICS_NAMESPACE: 'pemfleet',
      PEMFLEET_DEPLOYMENT: access.deployment,
      POWERTOOLS_SERVICE_NAME: access.deployment,
    },
    ...(props.reserveConcurrency && { reservedConcurrentExecutions: 1 }),
    retryAttempts: 0,
    // An invocation that waits for a running pass is useless once the schedule starts the next one.
    maxEventAge: Duration.minutes(wakeMinutes),
    onFailure: { bind: () => ({ destination: failures.queueArn }) },
    ...(props.vpc && network(props, props.vpc)),
  });
  createSchedule(scope, { fn, failures, wakeMinutes });
  return { fn, failures, aliases: { read: commandAlias(fn, 'read'), change: commandAlias(fn, 'change') } };
}

/** Of what is deployed: a version of its own would be an older program once it is deployed again. */
function commandAlias(fn: LambdaFunction, name: 'read' | 'change'): Alias {
  return new Alias(fn, name === 'read' ? 'Read' : 'Change', {
    aliasName: name,
    version: fn.latestVersion,
    description: `pemfleet --function: commands that ${name === 'read' ? 'change nothing' : 'change something'}`,
  });
}

function network({ vpcSubnets, securityGroups }: PemfleetProps, vpc: NonNullable<PemfleetProps['vpc']>) {
  return {
    vpc,
    ...(vpcSubnets && { vpcSubnets }),
    ...(securityGroups && { securityGroups: [...securityGroups] }),
  };
}

/** Lambda reports a failed pass with the function's own role; CDK's SqsDestination would also let it read the queue's attributes. */
function failureRight({ queueArn }: Queue): Right {
  return { sid: 'Failures', actions: ['sqs:SendMessage'], resources: [queueArn] };
}

function createFailures(scope: Construct): Queue {
  const queue = new Queue(scope, 'Failures', {
    encryption: QueueEncryption.SQS_MANAGED,
    enforceSSL: true,
    retentionPeriod: Duration.days(14),
    removalPolicy: RemovalPolicy.DESTROY,
  });
  acknowledgeFinding(
    queue,
    'AwsSolutions-SQS3',
    'this is itself a dead-letter queue, which only people read',
  );
  return queue;
}
