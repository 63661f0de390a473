/** The topic that receives alarms. */
import { Stack } from 'aws-cdk-lib';
import { PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { type ITopic, Topic } from 'aws-cdk-lib/aws-sns';
import { EmailSubscription } from 'aws-cdk-lib/aws-sns-subscriptions';
import type { Construct } from 'constructs';
import type { PemfleetProps } from '../settings/props.ts';

/** @internal */
export function alarmTopic(scope: Construct, props: PemfleetProps): ITopic {
  const topic = props.alarmTopic ?? createTopic(scope);
  for (const address of props.alarmEmails ?? []) topic.addSubscription(new EmailSubscription(address));
  return topic;
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
