/** EventBridge by one signed request (`PutEvents`): events in the manner of ACM's. docs/notifications.md has their schema. */
import { dnsSuffix } from '#common/net/dns-suffix.ts';
import { messageOf } from '#contract/errors.ts';
import { parseJson } from '#contract/json.ts';
import { credentialsOf, type Environment, regionOf } from '#storage/s3-credentials.ts';
import { signedSender } from '#storage/signed-request.ts';
import type { NoticeChannel } from '../deliver.ts';
import type { Notice } from '../notice.ts';
import { type BusEvent, eventsOf } from './events.ts';

const BUS_ARN = /^arn:aws[a-z-]*:events:([a-z0-9-]+):/;

export class EventBridgeChannel implements NoticeChannel {
  readonly timeoutSeconds: number;
  readonly #bus: string;
  readonly #env: Environment;

  /** @param env with credentials; `AWS_ENDPOINT_URL_EVENTBRIDGE` and `AWS_ENDPOINT_URL` as the SDKs read them */
  constructor(bus: string, timeoutSeconds: number, env: Environment) {
    this.#bus = bus;
    this.timeoutSeconds = timeoutSeconds;
    this.#env = env;
  }

  async send(notice: Notice): Promise<string> {
    const named = BUS_ARN.exec(this.#bus)?.[1];
    const region = named ?? (await regionOf(this.#env)());
    const { status, body } = await this.#put(region, eventsOf(notice)).catch((error: unknown) => {
      throw new Error(`EventBridge does not answer: ${messageOf(error)}`, { cause: error });
    });
    if (status !== 200) {
      const code = /"__type":"(?:[^"#]*#)?([A-Za-z.]{1,64})"/.exec(body.toString())?.[1] ?? 'without a code';
      throw new Error(`EventBridge answers ${status} ${code} to events:PutEvents on ${this.#bus}`);
    }
    const { FailedEntryCount = 0, Entries = [] } = parseJson(body) as PutAnswer;
    if (FailedEntryCount === 0) return 'EventBridge answers 200';
    const { ErrorCode = 'without a code' } = Entries.find((one) => one.ErrorCode !== undefined) ?? {};
    throw new Error(`EventBridge has refused ${FailedEntryCount} events on ${this.#bus}: ${ErrorCode}`);
  }

  #put(region: string, events: readonly BusEvent[]) {
    const named = this.#env['AWS_ENDPOINT_URL_EVENTBRIDGE'] ?? this.#env['AWS_ENDPOINT_URL'];
    const url = new URL(named ?? `https://events.${region}.${dnsSuffix(region)}/`);
    const send = signedSender(credentialsOf(this.#env), async () => region, 'events');
    const Entries = events.map(({ detail, ...entry }) => {
      return { ...entry, EventBusName: this.#bus, Detail: JSON.stringify(detail) };
    });
    return send({
      ...{ method: 'POST', url },
      headers: { 'content-type': 'application/x-amz-json-1.1', 'x-amz-target': 'AWSEvents.PutEvents' },
      body: Buffer.from(JSON.stringify({ Entries })),
    });
  }
}

interface PutAnswer {
  FailedEntryCount?: number;
  Entries?: { ErrorCode?: string }[];
}
