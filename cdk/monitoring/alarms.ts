/** Alarms on what operators wish to hear before users do; each has the name of its metric and a section in docs/runbook.md. */
import { Stack } from 'aws-cdk-lib';
import { type Alarm, ComparisonOperator, type Metric, TreatMissingData } from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import { PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { type ITopic, Topic } from 'aws-cdk-lib/aws-sns';
import { EmailSubscription } from 'aws-cdk-lib/aws-sns-subscriptions';
import { Construct } from 'constructs';
import type { PemfleetProps } from '../settings/props.ts';
import type { MetricName } from './metrics.ts';

export interface Alarms {
  readonly topic: ITopic;
  readonly alarms: readonly Alarm[];
}

/** Hours in which it must be so, of how many. A pass that fails once tries again by itself. */
const ALARMS: readonly [metric: MetricName, of: number, needed: number, says: string][] = [
  ['CertificatesOverdue', 1, 1, 'a certificate is well past the time at which it should have been renewed'],
  ['CertificatesFailed', 3, 2, 'orders of certificates keep failing'],
  ['HostsBehind', 2, 2, 'hosts do not serve what is published'],
  ['HostsSilent', 1, 1, 'hosts have not reported for three hours'],
  ['NeedsReload', 2, 2, 'a HAProxy must be reloaded to serve what is installed'],
  ['NotifyFailed', 1, 1, 'hosts could not be told of a change; they find it when they poll'],
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
  const alarms = ALARMS.map(([name, evaluationPeriods, datapointsToAlarm, says]) =>
    metric(name).createAlarm(scope, name, {
      alarmDescription: `pemfleet: ${says}. See docs/runbook.md, ${name}.`,
      threshold: 1,
      comparisonOperator: ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
      evaluationPeriods,
      datapointsToAlarm,
      treatMissingData: TreatMissingData.NOT_BREACHING,
    }),
  );
  const all = [...alarms, deadMan(scope, metric('RunFinished'))];
  for (const alarm of all) {
    alarm.addAlarmAction(new SnsAction(topic));
    alarm.addOkAction(new SnsAction(topic));
  }
  return { topic, alarms: all };
}

/** At least one pass an hour (wakeMinutes is 60 at most); three hours without one are no chance. */
function deadMan(scope: Construct, finished: Metric): Alarm {
  return finished.createAlarm(scope, 'RunFinished', {
    alarmDescription:
      'pemfleet: no pass of the issuer has come to its end for three hours. See docs/runbook.md, RunFinished.',
    threshold: 1,
    comparisonOperator: ComparisonOperator.LESS_THAN_THRESHOLD,
    evaluationPeriods: 3,
    treatMissingData: TreatMissingData.BREACHING,
  });
}

/** With a policy of its own a topic forgets that its account's alarms may publish. */
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
