/** What pemfleet costs a month, from measured requests and list prices; pure. docs/deploy.md holds the table, a test holds it there. */
import { COUNTS } from './counts.ts';
import type { BenchRow } from './main.ts';
import { PRICES } from './prices.ts';

export interface Scale {
  hosts: number;
  /** Of one name and one PEM each. */
  certificates: number;
}

export const SCALES: readonly Scale[] = [
  { hosts: 3, certificates: 10 },
  { hosts: 100, certificates: 100 },
  { hosts: 3_000, certificates: 1_000 },
];

/** Of a deployment that nobody has changed: poll once a minute, report once an hour, a pass every 30 minutes. */
const HOURS = 730;
const [POLLS, REPORTS, PASSES] = [HOURS * 60, HOURS, HOURS * 2];

/** What no test measures. */
export const ASSUMED = {
  /** 45 days of life, renewed with a third left. */
  renewalsAMonth: 1,
  passSeconds: 10,
  passGb: 0.5,
  passLogBytes: 4_000,
  /** With a bucket key, S3 asks KMS for one request in a hundred. */
  kmsShare: 0.01,
  /** Of a status: the current one, and those of the last day until the lifecycle takes them. */
  statusVersions: 49,
} as const;

/** The construct's own, of all that could be counted: those of the issuer's log, and the alarms on them. */
export const WATCHED = { metrics: 18, alarms: 13, dashboards: 1 } as const;

export interface CostLine {
  what: string;
  of(scale: Scale): number;
}

const renewals = ({ certificates }: Scale) => certificates * ASSUMED.renewalsAMonth;
/** Each host fetches each renewed PEM, and reports it; a pass reads what has changed, as often as hosts report. */
const gets = (scale: Scale) =>
  scale.hosts * (POLLS * COUNTS.idlePoll.get + renewals(scale)) +
  scale.hosts * (REPORTS + renewals(scale)) * COUNTS.changedStatus.get +
  PASSES * COUNTS.idlePass.get;
const hostPuts = (scale: Scale) => scale.hosts * (REPORTS + renewals(scale));
const issuerPuts = (scale: Scale) =>
  PASSES * (COUNTS.idlePass.list + COUNTS.changedBook.put) +
  HOURS * COUNTS.writersName.put +
  renewals(scale) * COUNTS.renewal.put;
const puts = (scale: Scale) => hostPuts(scale) + issuerPuts(scale);

export const LINES: readonly CostLine[] = [
  { what: 'S3 GET: polls, PEMs, statuses', of: (scale) => gets(scale) * PRICES.s3Get },
  { what: 'S3 PUT and LIST: reports, passes, renewals', of: (scale) => puts(scale) * PRICES.s3Put },
  {
    what: 'S3 tags of statuses',
    of: ({ hosts }) => hosts * ASSUMED.statusVersions * PRICES.objectTag,
  },
  {
    what: 'KMS: key, and requests behind the bucket key',
    of: (scale) => PRICES.kmsKey + (gets(scale) + puts(scale)) * ASSUMED.kmsShare * PRICES.kmsRequest,
  },
  { what: 'Lambda, schedule, log of the issuer', of: () => PASSES * passPrice() },
  {
    what: `CloudWatch: ${WATCHED.metrics} metrics, ${WATCHED.alarms} alarms, a dashboard`,
    of: () => WATCHED.metrics * PRICES.metric + WATCHED.alarms * PRICES.alarm + PRICES.dashboard,
  },
  { what: 'Systems Manager Run Command', of: () => 0 },
];

function passPrice(): number {
  const { passSeconds, passGb, passLogBytes } = ASSUMED;
  const run = PRICES.lambdaRequest + passSeconds * passGb * PRICES.lambdaGbSecond;
  return run + PRICES.schedulerInvocation + (passLogBytes / 1e9) * PRICES.logsGb;
}

export const together = (scale: Scale) => LINES.reduce((sum, { of }) => sum + of(scale), 0);

/** At the least: a certificate of 198 days has to be bought twice a year, save for a few days. */
export const acmAMonth = (price: number, { certificates }: Scale) => (certificates * price * 365) / 198 / 12;

const dollars = (value: number) => `$${value.toFixed(2).replace(/\B(?=(\d{3})+\.)/g, ',')}`;
const counted = (value: number) => value.toLocaleString('en-US');

export function costTable(): string {
  const line = (what: string, of: (scale: Scale) => number) =>
    `| ${what} | ${SCALES.map((scale) => dollars(of(scale))).join(' | ')} |`;
  const heads = SCALES.map(
    ({ hosts, certificates }) => `${counted(hosts)} hosts, ${counted(certificates)} certificates`,
  );
  return [
    `| a month | ${heads.join(' | ')} |`,
    `|---|${SCALES.map(() => '---:|').join('')}`,
    ...LINES.map(({ what, of }) => line(what, of)),
    line('**together**', together),
    line('ACM exportable certificates, one name each', (scale) => acmAMonth(PRICES.acmName, scale)),
    line('ACM exportable certificates, wildcards', (scale) => acmAMonth(PRICES.acmWildcard, scale)),
  ].join('\n');
}

/** `npm run bench -- cost` */
export async function cost(): Promise<BenchRow[]> {
  const row = (scale: Scale, subject: string, value: number): BenchRow => ({
    ...{ subject, measure: `${counted(scale.hosts)} hosts`, unit: '$' },
    value: Math.round(value * 100) / 100,
  });
  return SCALES.flatMap((scale) => [
    ...LINES.map(({ what, of }) => row(scale, what, of(scale))),
    row(scale, 'together', together(scale)),
    row(scale, 'ACM, one name each', acmAMonth(PRICES.acmName, scale)),
    row(scale, 'ACM, wildcards', acmAMonth(PRICES.acmWildcard, scale)),
  ]);
}
