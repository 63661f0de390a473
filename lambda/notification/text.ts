/** A notice in words: a subject of at most 99 ASCII characters (SNS takes no more), and a text. What comes from outside cannot act in it. Pure. */
import { printable, printableLines } from '#common/printable.ts';
import { DAY_MS, minuteText, spanText } from '#common/time.ts';
import type { Notice, NoticeChange } from './notice.ts';

export interface NoticeText {
  subject: string;
  text: string;
}

/** Amazon SNS API Reference, "Publish": shorter than 100 ASCII characters. */
const MAX_SUBJECT = 99;

export function wordsOf(notice: Notice): NoticeText {
  const lines = notice.kind === 'digest' ? digestLines(notice) : notice.changes.map(changeText);
  const { count, changes } = notice;
  const rest = count > changes.length ? [`… and ${count - changes.length} more`] : [];
  const end = [
    '',
    'All of it: pemfleet status',
    'What to do: docs/runbook.md',
    `Bucket: ${notice.bucket}`,
    `Id: ${notice.id}`,
  ];
  return {
    subject: asciiOf(`pemfleet: ${subjectText(notice)}`),
    text: printableLines(`${[...lines, ...rest, ...end].join('\n')}\n`),
  };
}

/** A line of mail or SNS: a name that is no ASCII is marked, not dropped. */
function asciiOf(text: string): string {
  const plain = printable(text).replaceAll(/[^ -~]/g, '?');
  return plain.length <= MAX_SUBJECT ? plain : `${plain.slice(0, MAX_SUBJECT - 3)}...`;
}

function subjectText({ kind, count, changes, digest }: Notice): string {
  const [first] = changes;
  if (kind === 'digest') {
    const { certificates = 0 } = digest ?? {};
    return `week: ${plural(certificates, 'certificate')}, ${count === 0 ? 'all well' : `${count} not well`}`;
  }
  if (first === undefined) return `${kind}: ${count}`;
  if (count === 1) return `${labelOf(first)} ${subjectOf(first)}`;
  return `${count} ${kind}: ${subjectOf(first)} and ${count - 1} more`;
}

function labelOf({ kind, action, code }: NoticeChange): string {
  if (kind === 'renewed' || kind === 'withdrawn') return action ?? kind;
  return code === 'expired' ? 'expired' : kind;
}

/** `www.example.com`, `edge/lb1` */
function subjectOf({ certificate, fleets: [fleet] = [], host, ended, kind }: NoticeChange): string {
  const what = ended ?? kind;
  if (host !== undefined) return `${fleet}/${host}`;
  if (what === 'behind' || what === 'silent') return fleet ?? '';
  return certificate ?? fleet ?? '';
}

/** One change, in one line. */
export function changeText(change: NoticeChange): string {
  return printable(`${subjectOf(change)}: ${sayings[change.kind](change).filter(Boolean).join('; ')}`);
}

type Sayings = Record<NoticeChange['kind'], (change: NoticeChange) => (string | undefined)[]>;

const sayings: Sayings = {
  renewed: (change) => [
    `${change.action ?? 'renewed'}${inFleets(change)}`,
    serialText(change),
    validText(change),
  ],
  failing: ({ code, reason, since, attempts, nextAttempt, notAfter, at }) => [
    `failing${sinceText(since)}`,
    code === 'never-published' && reason === undefined
      ? 'configured, and never published'
      : [code, reason].filter(Boolean).join(' '),
    attempts === undefined ? undefined : plural(attempts, 'attempt'),
    nextAttempt === undefined || nextAttempt <= at ? undefined : `next attempt ${timeText(nextAttempt)}`,
    notAfter === undefined ? 'hosts have nothing to serve' : `what is published ${endText(notAfter, at)}`,
  ],
  expiring: ({ notAfter, at, code, fleets: [fleet] = [] }) => [
    notAfter === undefined ? `expires in ${fleet}` : `${endText(notAfter, at)} in ${fleet}`,
    expiryWhy(code),
  ],
  behind: ({ code, certificate, since, host }) =>
    host === undefined
      ? [`hosts cannot be called${sinceText(since)}`, code, 'they find what is new at their next poll']
      : [
          `does not serve what is published${sinceText(since)}`,
          [code, certificate].filter(Boolean).join(' '),
        ],
  silent: ({ code, since }) =>
    code === 'never-came' ? ['expected, and has never reported'] : [`no report${sinceText(since)}`],
  drift: ({ certificate, code, since }) => [
    `${certificate} was changed by another hand (${code}), and is repaired`,
    since === undefined ? undefined : `first ${timeText(since)}`,
  ],
  withdrawn: (change) => [
    `${change.action === 'superseded' ? 'ended, others have taken its place' : (change.action ?? 'withdrawn')}${inFleets(change)}`,
    change.serial === undefined ? undefined : `serial ${change.serial}`,
    'hosts remove it',
  ],
  recovered: (change) => {
    const { ended = 'failing', since, at, action, code } = change;
    const lasted = since === undefined ? '' : ` for ${spanText(Date.parse(at) - Date.parse(since))}`;
    const renewed =
      action === undefined ? [] : [`${action}${inFleets(change)}`, serialText(change), validText(change)];
    const over = code === undefined ? 'well again' : (OVER[code] ?? code);
    return [`${over}, was ${ended}${lasted}`, ...renewed];
  },
  digest: () => [],
};

/** Nothing was mended. */
const OVER: Readonly<Record<string, string>> = {
  left: 'this host has left',
  unconfigured: 'configured no more',
  unpublished: 'published no more',
};

function digestLines({ digest, changes, count }: Notice): string[] {
  if (digest === undefined) return [];
  const { certificates, fleets, hosts, renewed, firstEnd } = digest;
  return [
    `${plural(certificates, 'certificate')} in ${plural(fleets, 'fleet')}, ${plural(hosts, 'host')}`,
    `renewed in the last 7 days: ${renewed}`,
    ...(firstEnd ? [`the first to expire: ${firstEnd.certificate}, ${timeText(firstEnd.notAfter)}`] : []),
    ...(count === 0 ? ['nothing is wrong'] : [`not well: ${count}`, ...changes.map(changeText)]),
  ];
}

function expiryWhy(code: string | undefined): string {
  if (code === 'overdue') return 'its renewal is overdue';
  return code === 'expired' ? 'clients refuse it' : 'nobody renews it';
}

function endText(notAfter: string, at: string): string {
  const ms = Date.parse(notAfter) - Date.parse(at);
  if (ms <= 0) return `expired ${timeText(notAfter)}`;
  return `expires ${timeText(notAfter)} (in ${ms < DAY_MS ? spanText(ms) : plural(Math.floor(ms / DAY_MS), 'day')})`;
}

function validText({ notAfter }: NoticeChange): string | undefined {
  return notAfter === undefined ? undefined : `valid until ${timeText(notAfter)}`;
}

function serialText({ serial, previousSerial }: NoticeChange): string | undefined {
  if (serial === undefined) return undefined;
  return previousSerial === undefined ? `serial ${serial}` : `serial ${serial}, before ${previousSerial}`;
}

function inFleets({ fleets = [] }: NoticeChange): string {
  return fleets.length === 0 ? '' : ` in ${fleets.join(', ')}`;
}

function sinceText(since: string | undefined): string {
  return since === undefined ? '' : ` since ${timeText(since)}`;
}

function timeText(time: string): string {
  return `${minuteText(time)} UTC`;
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
