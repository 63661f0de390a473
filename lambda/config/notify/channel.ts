/** One way to people or programs: a topic, an event bus, a webhook, mail, a program of this machine. */
import * as z from 'zod';
import { templateProblem } from './template.ts';

/** What is told, by the word that stands in messages, events and `only`. */
export const NOTICE_KINDS = [
  'renewed',
  'failing',
  'expiring',
  'behind',
  'silent',
  'drift',
  'withdrawn',
  'recovered',
  'digest',
] as const;

export type NoticeKind = (typeof NOTICE_KINDS)[number];

/** What a channel may be; each has exactly one. */
export const CHANNEL_TYPES = ['sns', 'eventbridge', 'webhook', 'sendmail', 'exec'] as const;
export type ChannelType = (typeof CHANNEL_TYPES)[number];

const TOPIC = /^(default|arn:aws[a-z-]*:sns:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]{1,256})$/;
const BUS =
  /^([A-Za-z0-9._-]{1,256}|arn:aws[a-z-]*:events:[a-z0-9-]+:\d{12}:event-bus\/[A-Za-z0-9._/-]{1,256})$/;
const PARAMETER = /^(arn:aws[a-z-]*:ssm:[a-z0-9-]+:\d{12}:parameter)?\/?[A-Za-z0-9_.-]+(\/[A-Za-z0-9_.-]+)*$/;
/** RFC 5322 has more; what begins with a dash would be an option of sendmail. */
const ADDRESS = /^[A-Za-z0-9_+][A-Za-z0-9._%+-]*@[A-Za-z0-9][A-Za-z0-9.-]*$|^[a-z_][a-z0-9_-]*$/;

const parameter = z.string().regex(PARAMETER, 'wanted the name or the ARN of an SSM parameter');

const webhook = z
  .strictObject({
    url: z.string().max(2048).optional().describe('Where messages are posted to.'),
    urlFile: z
      .string()
      .min(1)
      .optional()
      .describe('File with the URL, for one that is itself a secret (Slack): readable by its owner only.'),
    urlParameter: parameter.optional().describe('SSM parameter with the URL.'),
    secretFile: z
      .string()
      .min(1)
      .optional()
      .describe('File with the secret that signs each message: readable by its owner only.'),
    secretParameter: parameter.optional().describe('SSM parameter with that secret.'),
    template: z
      .string()
      .max(10_000)
      .default('json')
      .describe('Body: json, slack, alertmanager, or JSON of your own with {{text}} inside its strings.'),
    caFile: z
      .string()
      .min(1)
      .optional()
      .describe("Trust anchors of the receiver, PEM; default: those of Node.js, Mozilla's."),
    allowHttp: z
      .boolean()
      .default(false)
      .describe('Sends without TLS, too, to others than this machine: whoever listens reads along.'),
  })
  .superRefine(
    ({ url, urlFile, urlParameter, secretFile, secretParameter, template, allowHttp }, context) => {
      const complain = (path: string, message: string) =>
        context.addIssue({ code: 'custom', path: [path], message });
      const urls = [url, urlFile, urlParameter].filter((one) => one !== undefined);
      if (urls.length !== 1) complain('url', 'wanted one of url, urlFile, urlParameter');
      if (secretFile !== undefined && secretParameter !== undefined) {
        complain('secretFile', 'wanted secretFile or secretParameter, saw both');
      }
      const problem = url === undefined ? undefined : webhookUrlProblem(url, allowHttp);
      if (problem !== undefined) complain('url', problem);
      const wrong = isReadyTemplate(template) ? undefined : templateProblem(template);
      if (wrong !== undefined) complain('template', wrong);
    },
  );

export const READY_TEMPLATES = ['json', 'slack', 'alertmanager'] as const;

export function isReadyTemplate(template: string): template is (typeof READY_TEMPLATES)[number] {
  return READY_TEMPLATES.some((ready) => ready === template);
}

/** @returns without the URL, which may hold a secret. Private addresses are the operator's own word here */
export function webhookUrlProblem(text: string, allowHttp: boolean): string | undefined {
  if (!URL.canParse(text)) return 'wanted a URL such as https://hooks.example.com/pemfleet';
  const { protocol, hostname, username, password } = new URL(text);
  if (username !== '' || password !== '') {
    return 'wanted a URL without user and password: the receiver knows us by the signature (secretFile)';
  }
  if (protocol === 'https:') return undefined;
  if (protocol !== 'http:') return 'wanted a URL that begins with https://';
  const isOwnMachine = /^(localhost|127(\.\d+){3}|\[::1\])$/.test(hostname);
  return isOwnMachine || allowHttp
    ? undefined
    : 'wanted https://, saw http:// to another machine; allowHttp: true says that this is meant';
}

export const channel = z
  .strictObject({
    sns: z
      .string()
      .regex(TOPIC, 'wanted default (the topic of the alarms), or the ARN of a standard SNS topic')
      .optional()
      .describe('SNS topic: its ARN, or default, the topic of the alarms.'),
    eventbridge: z
      .string()
      .regex(BUS, 'wanted default, or the name or the ARN of an event bus')
      .optional()
      .describe('EventBridge: default, or the name or the ARN of another event bus.'),
    webhook: webhook.optional().describe('HTTPS request to a receiver.'),
    sendmail: z
      .array(z.string().max(254).regex(ADDRESS, 'wanted a mail address, or a user of this machine'))
      .min(1)
      .max(20)
      .optional()
      .describe("Mail to these addresses by the machine's own sendmail."),
    exec: z
      .array(z.string().min(1).max(4096))
      .min(1)
      .max(50)
      .refine(([program = '']) => program.startsWith('/'), 'wanted a program by its absolute path, first')
      .optional()
      .describe('Program with its arguments, without a shell; the facts stand in its environment.'),
    only: z
      .array(z.enum(NOTICE_KINDS))
      .min(1)
      .optional()
      .describe('What it gets, by kind (renewed, failing, …); default: all.'),
    timeoutSeconds: z
      .number()
      .int()
      .min(1)
      .max(60)
      .default(10)
      .describe('How long its receiver may take for one message.'),
  })
  .superRefine((given, context) => {
    const types = CHANNEL_TYPES.filter((type) => given[type] !== undefined);
    if (types.length === 1) return;
    const saw = types.length === 0 ? 'none' : types.join(', ');
    context.addIssue({ code: 'custom', message: `wanted one of ${CHANNEL_TYPES.join(', ')}, saw ${saw}` });
  });

export type ChannelSettings = z.infer<typeof channel>;
export type WebhookSettings = NonNullable<ChannelSettings['webhook']>;
