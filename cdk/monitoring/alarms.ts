/** Alarms that reach operators before users notice. Each alarm has the name of its metric and a section in docs/runbook.md. */
import { Stack } from 'aws-cdk-lib';
import { type Alarm, ComparisonOperator, type Metric, TreatMissingData } from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import { PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { type ITopic, Topic } from 'aws-cdk-lib/aws-sns';
import { EmailSubscription } from 'aws-cdk-lib/aws-sns-subscriptions';
import { Construct } from 'constructs';
import type { PemfleetProps } from '../settings/props.ts';
import type { MetricName } from './metrics.ts';

/** The alarms of a deployment and the topic that they notify. */
export interface Alarms {
  readonly topic: ITopic;
  readonly alarms: readonly Alarm[];
}

/** An alarm goes off when its metric breaches in `needed` of the last `of` hours. The next pass retries what failed once. */
const ALARMS: readonly [metric: MetricName, of: number, needed: number, description: string][] = [
  ['CertificatesOverdue', 1, 1, 'a certificate is well past its renewal time'],
  ['CertificatesEnding', 1, 1, 'a certificate that hosts serve ends within 14 days, and nothing renews it'],
  ['CertificatesFailed', 3, 2, 'certificate orders keep failing'],
  ['HostsBehind', 2, 2, 'hosts do not serve the published certificates'],
  ['HostsSilent', 1, 1, 'hosts have not reported for three hours'],
  ['NeedsReload', 2, 2, 'a HAProxy needs a reload to serve the installed certificates'],
  ['NotifyFailed', 1, 1, 'a fleet could not be notified of a change; its hosts will find it when they poll'],
];

/** @internal */
export function createAlarms(
  parent: Construct,
  props: PemfleetProps,
  metric: (name: MetricName) => Metric,
): Alarms {
  const scope = new Construct(parent, 'Alarms');
  const topic = props.alarmTopic ?? createTopic(scope);
  for (const address of props.alarmEmails ?? []) topic.addSubscription(new EmailSubscription(address));
  const alarms = ALARMS.map(([name, evaluationPeriods, datapointsToAlarm, description]) =>
    metric(name).createAlarm(scope, name, {
      alarmDescription: `pemfleet: ${description}. See docs/runbook.md, ${name}.`,
      threshold: 1,
      comparisonOperator: ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
      evaluationPeriods,
      datapointsToAlarm,
      treatMissingData: TreatMissingData.NOT_BREACHING,
    }),
  );
  const all = [...alarms, createDeadManAlarm(scope, metric('RunFinished'))];
  for (const alarm of all) {
    alarm.addAlarmAction(new SnsAction(topic));
    alarm.addOkAction(new SnsAction(topic));
  }
  return { topic, alarms: all };
}

/** The issuer runs at least once an hour (wakeMinutes is 60 at most), so three hours without a run are no coincidence. */
function createDeadManAlarm(scope: Construct, finished: Metric): Alarm {
  return finished.createAlarm(scope, 'RunFinished', {
    alarmDescription:
      'pemfleet: no issuer run has completed for three hours. See docs/runbook.md, RunFinished.',
    threshold: 1,
    comparisonOperator: ComparisonOperator.LESS_THAN_THRESHOLD,
    evaluationPeriods: 3,
    treatMissingData: TreatMissingData.BREACHING,
  });
}

/** A topic policy (enforceSSL adds one) replaces the default that lets the account's alarms publish, so this restores it. */
function createTopic(scope: Construct): Topic {
  const { partition, region, account } = Stack.of(scope);
  const topic = new Topic(scope, 'Topic', { displayName: 'pemfleet', enforceSSL: true });
  topic.addToResourcePolicy(
    new PolicyStatement({
      sid: 'Alarms',
      principals: [new ServicePrincipal('cloudwatch.amazonaws.com')],
      actions: ['sns:Publish'],
      resources: [topic.topicArn],
      conditions: {
        StringEquals: { 'aws:SourceAccount': account },
        ArnLike: { 'aws:SourceArn': `arn:${partition}:cloudwatch:${region}:${account}:alarm:*` },
      },
    }),
  );
  return topic;
}
