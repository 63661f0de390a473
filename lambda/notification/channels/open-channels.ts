/** Opens the channels that every program can use, on Lambda or a machine. */
import type { Environment } from '#storage/s3-credentials.ts';
import type { ChannelSettings } from '../../config/notify/channel.ts';
import type { NotifySettings } from '../../config/notify/notify.ts';
import { SnsTopic } from '../../figures/sns-topic.ts';
import type { NoticeChannel, NoticeChannels } from '../deliver.ts';
import { EventBridgeChannel } from './event-bridge.ts';
import { SnsChannel } from './sns.ts';
import { WebhookChannel } from './webhook.ts';

export interface ChannelPlace {
  /** With AWS's credentials and region, and `PEMFLEET_ALARM_TOPIC`, the topic that `sns: default` means. */
  env: Environment;
  now: () => Date;
  /** Those that need programs of the machine; absent: there are none here. */
  openMore?: (settings: ChannelSettings) => NoticeChannel | undefined;
}

export function openChannels({ channels }: NotifySettings, place: ChannelPlace): NoticeChannels {
  const opened = Object.entries(channels).flatMap(([name, settings]) => {
    const channel = openChannel(settings, place) ?? place.openMore?.(settings);
    return channel === undefined ? [] : [[name, channel] as const];
  });
  return new Map(opened);
}

function openChannel(
  { sns, eventbridge, webhook, timeoutSeconds }: ChannelSettings,
  { env, now }: ChannelPlace,
): NoticeChannel | undefined {
  if (sns !== undefined) {
    const arn = sns === 'default' ? (env['PEMFLEET_ALARM_TOPIC'] ?? '') : sns;
    return new SnsChannel(new SnsTopic(arn, env), timeoutSeconds);
  }
  if (eventbridge !== undefined) return new EventBridgeChannel(eventbridge, timeoutSeconds, env);
  return webhook && new WebhookChannel(webhook, timeoutSeconds, env, now);
}

/** The names of rising levels go to the same topic in words: nobody is told twice. */
export function servesAlarmTopic(
  settings: NotifySettings | undefined,
  topicArn: string | undefined,
): boolean {
  const topics = Object.values(settings?.channels ?? {}).flatMap(({ sns, only }) =>
    sns === undefined || only !== undefined ? [] : sns,
  );
  return topics.some((sns) => sns === 'default' || sns === topicArn);
}
