// SNS: Publish to a topic that exists; whoever subscribes gets what `messages` has.
import { AwsFailure, type AwsRequest, type Operation, type Service } from './wire.ts';
import { toXml } from './xml.ts';

const namespace = 'https://sns.amazonaws.com/doc/2010-03-31/';

export interface Sns {
  service: Service;
  /** @returns its ARN */
  createTopic(name: string): string;
  /** newest last */
  messages: { topic: string; subject: string; text: string; attributes: Record<string, string> }[];
}

export function createSns({ region, accountId }: { region: string; accountId: string }): Sns {
  const topics = new Set<string>();
  const messages: Sns['messages'] = [];
  return {
    messages,
    createTopic: (name) => {
      const arn = `arn:aws:sns:${region}:${accountId}:${name}`;
      topics.add(arn);
      return arn;
    },
    service: { protocol: 'xml', read: (request) => readPublish(topics, messages, request) },
  };
}

function readPublish(
  topics: ReadonlySet<string>,
  messages: Sns['messages'],
  { body }: AwsRequest,
): Operation {
  const form = new URLSearchParams(body.toString());
  const [topic, subject, text] = ['TopicArn', 'Subject', 'Message'].map((name) => form.get(name) ?? '');
  if (
    form.get('Action') !== 'Publish' ||
    topic === undefined ||
    subject === undefined ||
    text === undefined
  ) {
    throw new AwsFailure(400, 'InvalidAction', `the stand-in knows no ${form.get('Action')}`);
  }
  const run = () => {
    if (!topics.has(topic)) throw new AwsFailure(404, 'NotFound', 'Topic does not exist');
    // Amazon SNS API Reference, "Publish".
    if (!/^[!-~][ -~]{0,98}$/.test(subject))
      throw new AwsFailure(400, 'InvalidParameter', 'Invalid parameter: Subject');
    if (text === '' || Buffer.byteLength(text) > 262_144) {
      throw new AwsFailure(400, 'InvalidParameter', 'Invalid parameter: Message too long');
    }
    messages.push({ topic, subject, text, attributes: attributesOf(form) });
    const result = { MessageId: `${messages.length}` };
    return {
      status: 200,
      headers: { 'content-type': 'text/xml' },
      body: toXml({ PublishResponse: { '@xmlns': namespace, PublishResult: result } }),
    };
  };
  const check = { action: 'sns:Publish', resource: topic, context: {} };
  return { name: 'Publish', subject: topic, checks: [check], run };
}

/** Amazon SNS API Reference, "MessageAttributeValue": of type String here. */
function attributesOf(form: URLSearchParams): Record<string, string> {
  const entries = [...form].flatMap(([key, name]): [string, string][] => {
    const entry = /^(MessageAttributes\.entry\.\d+)\.Name$/.exec(key)?.[1];
    if (entry === undefined) return [];
    const [type, value] = ['DataType', 'StringValue'].map((part) => form.get(`${entry}.Value.${part}`) ?? '');
    if (type !== 'String' || value === undefined || value === '' || !/^[\w.-]{1,256}$/.test(name)) {
      throw new AwsFailure(400, 'InvalidParameterValue', `The message attribute '${name}' is invalid`);
    }
    return [[name, value]];
  });
  return Object.fromEntries(entries);
}
