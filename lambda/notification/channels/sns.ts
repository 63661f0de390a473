/** SNS: subject and text for people, and the kind as an attribute, by which a subscription filters. */
import type { SnsTopic } from '../../figures/sns-topic.ts';
import type { NoticeChannel } from '../deliver.ts';
import type { Notice } from '../notice.ts';
import type { NoticeText } from '../text.ts';

export class SnsChannel implements NoticeChannel {
  readonly timeoutSeconds: number;
  readonly #topic: SnsTopic;

  constructor(topic: SnsTopic, timeoutSeconds: number) {
    this.#topic = topic;
    this.timeoutSeconds = timeoutSeconds;
  }

  async send({ kind }: Notice, text: NoticeText): Promise<string> {
    await this.#topic.publish(text, { kind });
    return 'SNS answers 200';
  }
}
