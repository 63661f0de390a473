/** An SNS topic, by one signed request: the SDK's client for it would be larger than a small pass. */
import { dnsSuffix } from '#common/net/dns-suffix.ts';
import { messageOf } from '#contract/errors.ts';
import { credentialsOf, type Environment } from '#storage/s3-credentials.ts';
import { signedSender } from '#storage/signed-request.ts';
import type { AlarmTopic } from './announce-rises.ts';
import type { AlarmMessage } from './rises.ts';

/** AWS Service Authorization Reference, "Amazon SNS", topic. */
const ARN = /^arn:aws[a-z-]*:sns:([a-z0-9-]+):\d{12}:[A-Za-z0-9_-]{1,256}$/;
/** Amazon SNS API Reference. */
const API_VERSION = '2010-03-31';

export class SnsTopic implements AlarmTopic {
  readonly #arn: string;
  readonly #env: Environment;

  /** @param env with credentials; `AWS_ENDPOINT_URL_SNS` and `AWS_ENDPOINT_URL` as the SDKs read them */
  constructor(arn: string, env: Environment) {
    this.#arn = arn;
    this.#env = env;
  }

  /**
   * @param attributes words by which a subscription filters
   * @throws TypeError if there is no ARN of a topic
   * @throws Error with the status and code that SNS answers
   */
  async publish(
    { subject, text }: AlarmMessage,
    attributes: Readonly<Record<string, string>> = {},
  ): Promise<void> {
    const { url, region } = this.#place();
    const send = signedSender(credentialsOf(this.#env), async () => region, 'sns');
    const form = {
      ...{ Action: 'Publish', Version: API_VERSION, TopicArn: this.#arn },
      ...attributesForm(attributes),
    };
    const { status, body } = await send({
      ...{ method: 'POST', url },
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: Buffer.from(new URLSearchParams({ ...form, Subject: subject, Message: text }).toString()),
    }).catch((error: unknown) => {
      throw new Error(`SNS does not answer: ${messageOf(error)}`, { cause: error });
    });
    if (status === 200) return;
    const code = /<Code>([A-Za-z.]{1,64})<\/Code>/.exec(body.toString())?.[1] ?? 'without a code';
    throw new Error(`SNS answers ${status} ${code} to sns:Publish on ${this.#arn}`);
  }

  #place(): { url: URL; region: string } {
    const region = ARN.exec(this.#arn)?.[1];
    if (region === undefined) {
      throw new TypeError(
        `PEMFLEET_ALARM_TOPIC: wanted the ARN of a standard SNS topic, saw ${this.#arn}; set it, or unset the variable`,
      );
    }
    const named = this.#env['AWS_ENDPOINT_URL_SNS'] ?? this.#env['AWS_ENDPOINT_URL'];
    return { url: new URL(named ?? `https://sns.${region}.${dnsSuffix(region)}/`), region };
  }
}

/** Amazon SNS API Reference, "Publish": a list, counted from one. */
function attributesForm(attributes: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(attributes).flatMap(([name, value], index) => {
      const entry = `MessageAttributes.entry.${index + 1}`;
      return [
        [`${entry}.Name`, name],
        [`${entry}.Value.DataType`, 'String'],
        [`${entry}.Value.StringValue`, value],
      ];
    }),
  );
}
