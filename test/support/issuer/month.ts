/**
 * A month of virtual passes, every 30 minutes: some are late, some are stopped, some cannot read all, some are killed. A fault comes after
 * four days and goes after a week. What each pass knows goes through problemsOf and metricsOf; what they write is what CloudWatch has.
 */
import { DAY_MS, HOUR_MS, MINUTE_MS } from '#common/time.ts';
import { NoAcmeAnswer } from '../../../lambda/acme/problem.ts';
import { LEVELS, type Level } from '../../../lambda/figures/levels.ts';
import { metricsOf, type PassFacts } from '../../../lambda/figures/metrics.ts';
import type { HostSummary } from '../../../lambda/fleet/summary.ts';
import { afterFailure, nextAttempt } from '../../../lambda/order/back-off.ts';
import type { OrderRecord } from '../../../lambda/order/record.ts';
import type { ProbeVerdict } from '../../../lambda/probe/judge.ts';
import { nextWrongNames, type WrongNames } from '../../../lambda/probe/wrong-names.ts';
import { after, noon } from '../clock.ts';
import type { Datum } from './alarm-states.ts';
import { named } from './documents.ts';

export const [DAYS, WAKE_MINUTES] = [31, 30];
export const MONTH_MINUTES = DAYS * 24 * 60;
/** Of the fault. */
export const [BEGIN_MS, END_MS] = [4 * DAY_MS, 11 * DAY_MS];

/** What a fault changes in what a pass knows. */
export interface Fault {
  alarm: Level | 'RunFinished' | 'NamesWrong';
  says: string;
  /** Also sounds, because it is also true. */
  also?: readonly string[];
  /** When it is true; default: from `BEGIN_MS` to `END_MS`. */
  begins?: number;
  ends?: number;
  facts?(now: Date, is: boolean): Partial<PassFacts>;
  /** What the pass asks the one name for, and what its address shows; undefined: its turn does not come. */
  probe?(index: number, is: boolean): ProbeVerdict | undefined;
  /** No pass is made. */
  isDead?(ms: number): boolean;
}

const summary = (now: Date, changes: Partial<HostSummary> = {}): HostSummary => ({
  ...{ etag: '"s"', reportedAt: now, manifest: '"m"', states: { served: 2 } },
  ...changes,
});
const hosts = (now: Date, changes: Partial<HostSummary> = {}): Pick<PassFacts, 'fleets'> => ({
  fleets: [
    {
      ...{ fleet: 'default', summaries: { lb1: summary(now), lb2: summary(now, changes) } },
      manifest: { etag: '"m"', updatedAt: after(noon, -DAY_MS) },
      expected: 2,
    },
  ],
});
const pem = (from: Date, days: number) => ({
  ...{ fleet: 'default', certificate: 'a.test' },
  ...{ notBefore: after(from, -90 * DAY_MS + days * DAY_MS), notAfter: after(from, days * DAY_MS) },
});
const begin = after(noon, BEGIN_MS);

const failingHost = (
  alarm: Level,
  says: string,
  changes: Partial<HostSummary>,
  also: string[] = [],
): Fault => ({
  ...{ alarm, says, also },
  facts: (now, is) => hosts(now, is ? changes : {}),
});

/** Of 8 hours in which the CA is down: the order fails, and goes on failing until its next attempt. */
function outage(): Fault {
  const hours = 8;
  let record: OrderRecord | undefined;
  return {
    ...{ alarm: 'CertificatesFailing', says: `the CA is down for ${hours} hours while an order is due` },
    ends: BEGIN_MS + hours * HOUR_MS,
    facts: (now, is) => {
      const isDue = record === undefined || nextAttempt(record, undefined, now) <= now;
      if (is && isDue) {
        record ??= { createdAt: now, failures: 0, notBefore: now, legs: [] } as unknown as OrderRecord;
        record = {
          ...record,
          ...afterFailure(record, new NoAcmeAnswer('GET https://ca.test: ECONNREFUSED'), now, 0.5),
        };
      } else if (!is && isDue) record = undefined;
      const certificate = named('a.test');
      return { failing: record ? [{ certificate, code: 'ERR_CA', since: record.createdAt }] : [] };
    },
  };
}

const drift = (now: Date, is: boolean): NonNullable<HostSummary['drift']> => {
  const nights = Math.floor((Math.min(now.getTime() - noon.getTime(), END_MS) - BEGIN_MS) / DAY_MS) + 1;
  if (!is && now < begin) return [];
  const at = after(begin, (nights - 1) * DAY_MS);
  return [{ kind: 'file-edited', certificate: 'a.test', days: nights, first: begin, at }];
};

export const FAULTS: readonly Fault[] = [
  failingHost('CertificatesExpired', 'a host goes on serving a certificate that has expired', {
    expiring: [{ certificate: 'old.test', notAfter: begin }],
  }),
  {
    ...{ alarm: 'CertificatesOverdue', says: 'nothing renews a certificate' },
    facts: (_now, is) => ({ published: [is ? pem(begin, 22) : pem(after(noon, 40 * DAY_MS), 45)] }),
  },
  {
    ...{ alarm: 'CertificatesMissing', says: 'a configured certificate is not issued' },
    facts: (_now, is) => ({
      missing: is ? [{ fleet: 'default', certificate: 'new.test', since: begin }] : [],
    }),
  },
  outage(),
  {
    ...{
      alarm: 'CertificatesEnding',
      says: 'a certificate that left the configuration ends, until it is put back',
    },
    facts: (_now, is) => {
      const notAfter = after(begin, 14 * DAY_MS - 1).toISOString();
      return {
        unconfigured: is ? [{ fleet: 'default', certificate: 'gone.test', result: 'kept', notAfter }] : [],
      };
    },
  },
  failingHost('HostsBehind', 'a host cannot write its certificates', {
    error: 'ERR_CERTS_DIRECTORY',
    faultSince: begin,
  }),
  failingHost('HostsSilent', 'a host does not report', { reportedAt: begin }),
  {
    ...{ alarm: 'HostsMissing', says: 'a host that is expected never comes' },
    facts: (now, is) => {
      const { fleets } = hosts(now);
      return { fleets: fleets.map((fleet) => ({ ...fleet, expected: is ? 3 : 2 })) };
    },
  },
  failingHost('NeedsReload', 'HAProxy needs a reload', { states: { served: 1, 'needs-reload': 1 } }, [
    'HostsBehind',
  ]),
  failingHost('HostsUnproven', 'a bind answers no handshake', {
    unproven: { files: 2, certificate: 'a.test', reason: 'unreachable', since: begin },
  }),
  {
    ...{
      alarm: 'DriftReturning',
      says: 'a job overwrites a file every night; true from the third night to two days after the last',
    },
    ...{ begins: BEGIN_MS + 2 * DAY_MS, ends: END_MS + 2 * DAY_MS },
    facts: (now, is) => hosts(now, { drift: drift(now, is) }),
  },
  {
    ...{ alarm: 'NotifyFailed', says: 'SSM refuses the command to a fleet' },
    facts: (_now, is) => ({
      failedCalls: is ? [{ fleet: named('default') as never, code: 'AccessDenied', since: begin }] : [],
    }),
  },
  {
    ...{
      alarm: 'NamesWrong',
      says: 'a load balancer hands out an old certificate, and every third pass asks it',
    },
    probe: (index, is) => (index % 3 === 0 ? (is ? 'stale' : 'served') : undefined),
  },
  {
    ...{ alarm: 'RunFinished', says: 'the issuer is not started' },
    isDead: (ms) => ms >= BEGIN_MS && ms < END_MS,
  },
];

/** Deterministic: in [0, 1). */
const noise = (index: number, salt: number) => {
  const value = Math.sin(index * 12.9898 + salt * 78.233) * 43_758.5453;
  return value - Math.floor(value);
};

/** What a pass of the month comes to: one in twelve is not whole. */
function kindOf(index: number): 'whole' | 'stopped' | 'unread' | 'killed' {
  if (index % 37 === 7) return 'stopped';
  if (index % 41 === 11) return 'unread';
  return index % 29 === 13 ? 'killed' : 'whole';
}

/** What a pass of the month knows. */
export interface MonthPass {
  index: number;
  minutes: number;
  isTrue: boolean;
  facts: PassFacts;
}

/** The passes that come to an end. */
export function* passesOf(fault: Fault | undefined): Generator<MonthPass> {
  const { begins = BEGIN_MS, ends = END_MS } = fault ?? {};
  for (let index = 0; index < MONTH_MINUTES / WAKE_MINUTES; index++) {
    // A window of five minutes; a pass takes up to fifteen.
    const minutes = index * WAKE_MINUTES + 5 * noise(index, 1) + 15 * noise(index, 2) ** 4;
    const now = after(noon, minutes * MINUTE_MS);
    const ms = now.getTime() - noon.getTime();
    if (fault?.isDead?.(ms)) continue;
    const isTrue = ms >= (fault?.begins === undefined ? begins : BEGIN_MS) && ms < ends;
    const changes = fault?.facts?.(now, isTrue);
    const kind = kindOf(index);
    if (kind === 'killed') continue;
    const facts: PassFacts = {
      ...{ outcomes: [], failing: [], missing: [], unconfigured: [], failedCalls: [], now },
      published: [pem(after(noon, 40 * DAY_MS), 45)],
      ...hosts(now),
      ...changes,
      isComplete: kind !== 'stopped',
      incomplete: new Set(kind === 'unread' ? LEVELS : []),
    };
    // What a pass cannot read it does not know.
    const known =
      kind === 'unread'
        ? { ...facts, published: [], missing: [], failing: [], unconfigured: [], fleets: [], failedCalls: [] }
        : facts;
    yield { index, minutes, isTrue, facts: known };
  }
}

/** By metric: what CloudWatch has got by the end of the month. */
export function monthOf(fault: Fault | undefined): ReadonlyMap<string, Datum[]> {
  const data = new Map<string, Datum[]>();
  let wrongNames: WrongNames = {};
  for (const { index, minutes, isTrue, facts } of passesOf(fault)) {
    const rows = [{ name: 'a.test', verdict: fault?.probe?.(index, isTrue) ?? 'out-of-time' } as const];
    wrongNames = nextWrongNames(wrongNames, rows, ['a.test'], facts.now);
    const figures = { ...metricsOf(facts), NamesWrong: Object.keys(wrongNames).length };
    for (const [name, value] of Object.entries(figures)) {
      const own = data.get(name) ?? [];
      own.push({ at: minutes, value });
      data.set(name, own);
    }
  }
  return data;
}
