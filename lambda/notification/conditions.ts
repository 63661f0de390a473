/** What stands now and people are told of: levels, by subject, as the figures have them (lambda/figures/problems.ts). Pure. */
import { DAY_MS } from '#common/time.ts';
import { LEVELS, type Level, patienceMs } from '../figures/levels.ts';
import type { Problem, ProblemFacts } from '../figures/problems.ts';
import { isSilent } from '../fleet/behind.ts';
import { isReturningDrift } from '../fleet/host-report.ts';

export type ConditionKind = 'failing' | 'expiring' | 'behind' | 'silent' | 'drift';

export interface StandingLevel {
  /** Kind and subject: one bad thing is one condition. */
  key: string;
  kind: ConditionKind;
  certificate?: string | undefined;
  fleet?: string | undefined;
  host?: string | undefined;
  code: string;
  /** Higher is worse, and is told anew. */
  stage: number;
  since?: Date | undefined;
  /** For how long it has to stand before people are told. */
  patienceMs: number;
  reason?: string | undefined;
  notAfter?: Date | undefined;
  attempts?: number | undefined;
  nextAttempt?: Date | undefined;
}

const KIND_OF: Readonly<Record<Exclude<Level, 'DriftReturning'>, ConditionKind>> = {
  CertificatesExpired: 'expiring',
  CertificatesOverdue: 'expiring',
  CertificatesEnding: 'expiring',
  CertificatesMissing: 'failing',
  CertificatesFailing: 'failing',
  HostsBehind: 'behind',
  NeedsReload: 'behind',
  HostsUnproven: 'behind',
  NotifyFailed: 'behind',
  HostsSilent: 'silent',
  HostsMissing: 'silent',
};

/** The levels of a kind. */
export function levelsOf(kind: ConditionKind): Level[] {
  if (kind === 'drift') return ['DriftReturning'];
  return LEVELS.filter((level) => level !== 'DriftReturning' && KIND_OF[level] === kind);
}

/** Days before the end at which a certificate that nobody renews is told of again. */
const STAGES_DAYS = [14, 7];

/** Of several problems of one subject, the worst: problemsOf() sorts them so. */
export function standingLevels(
  facts: ProblemFacts,
  problems: readonly Problem[],
  wakeMinutes: number,
): StandingLevel[] {
  const conditions = new Map<string, StandingLevel>();
  const ends = endsByCertificate(facts);
  for (const problem of problems) {
    const { level } = problem;
    if (level === 'DriftReturning') continue;
    const patience = patienceMs(level, wakeMinutes);
    const one = { ...conditionOf(KIND_OF[level], problem, ends, facts), patienceMs: patience };
    const known = conditions.get(one.key);
    conditions.set(one.key, known ? merged(known, one) : one);
  }
  return [...conditions.values(), ...driftConditions(facts)];
}

/** Never published, and failing: the failure says why. */
function merged(known: StandingLevel, other: StandingLevel): StandingLevel {
  const patience = Math.min(known.patienceMs, other.patienceMs);
  const isNamed = known.code === 'never-published';
  const { code, reason, since } = isNamed ? other : known;
  const began = [known.since, since].flatMap((time) => time ?? []).sort((a, b) => a.getTime() - b.getTime());
  const stage = Math.max(known.stage, other.stage);
  return { ...known, code, reason, since: began[0], stage, patienceMs: patience };
}

function conditionOf(
  kind: ConditionKind,
  { subject, certificate, code, since }: Problem,
  ends: ReadonlyMap<string, Date>,
  { failing, outcomes, now }: ProblemFacts,
): Omit<StandingLevel, 'patienceMs'> {
  const key = `${kind} ${subject}`;
  if (kind === 'failing') {
    const attempt = failing.findLast((one) => one.certificate === subject);
    const failed = outcomes.find((one) => one.certificate === subject);
    const { message, attempts, nextAttempt } = failed?.failure ?? {};
    const reason = message ?? attempt?.message ?? failed?.error?.message;
    const notAfter = earliest(
      [...ends].filter(([name]) => name.endsWith(`/${subject}`)).map(([, end]) => end),
    );
    const next = nextAttempt === undefined ? attempt?.nextAttempt : new Date(nextAttempt);
    return {
      ...{ key, kind, certificate: subject, code, since, stage: 0, reason, notAfter },
      ...{ attempts: attempts ?? attempt?.attempts, nextAttempt: next },
    };
  }
  const [fleet = '', own] = splitSubject(subject);
  if (kind === 'expiring') {
    const notAfter = ends.get(subject);
    return { key, kind, fleet, certificate: own, code, since, stage: stageOf(notAfter, code, now), notAfter };
  }
  return { key, kind, fleet, host: own, certificate, code, since, stage: 0 };
}

function splitSubject(subject: string): [string, string | undefined] {
  const slash = subject.indexOf('/');
  return slash < 0 ? [subject, undefined] : [subject.slice(0, slash), subject.slice(slash + 1)];
}

function stageOf(notAfter: Date | undefined, code: string, now: Date): number {
  if (code === 'expired') return STAGES_DAYS.length + 1;
  if (notAfter === undefined) return 0;
  const days = (notAfter.getTime() - now.getTime()) / DAY_MS;
  return STAGES_DAYS.filter((limit) => days <= limit).length;
}

/** By `fleet/certificate`: the end of what is published, or served by a host that nobody publishes to. */
function endsByCertificate({ published, unconfigured, fleets }: ProblemFacts): ReadonlyMap<string, Date> {
  const all = [
    ...published.map(({ fleet, certificate, notAfter }) => [`${fleet}/${certificate}`, notAfter] as const),
    ...unconfigured.map(({ fleet, certificate, notAfter }) => {
      return [`${fleet}/${certificate}`, new Date(notAfter)] as const;
    }),
    ...fleets.flatMap(({ fleet, summaries }) =>
      Object.values(summaries)
        .flatMap(({ expiring = [], unlisted = [] }) => [...expiring, ...unlisted])
        .map(({ certificate, notAfter }) => [`${fleet}/${certificate}`, notAfter] as const),
    ),
  ];
  const ends = new Map<string, Date>();
  for (const [subject, end] of all) ends.set(subject, earliest([end, ends.get(subject) ?? end]) ?? end);
  return ends;
}

function earliest(times: readonly Date[]): Date | undefined {
  return times.reduce<Date | undefined>((first, time) => (first && first <= time ? first : time), undefined);
}

/** What a host has repaired stands for a day after it came last: what comes back each hour is one condition. */
function driftConditions({ fleets, now }: ProblemFacts): StandingLevel[] {
  return fleets.flatMap(({ fleet, summaries }) =>
    Object.entries(summaries)
      .filter(([, { hasLeft, reportedAt }]) => !hasLeft && !isSilent(reportedAt, now))
      .flatMap(([host, { drift = [] }]) =>
        drift.flatMap((one): StandingLevel[] => {
          const isReturning = isReturningDrift(one, now);
          if (!isReturning && now.getTime() - one.at.getTime() >= DAY_MS) return [];
          const { certificate, kind: code, first: since } = one;
          const key = `drift ${fleet}/${host} ${certificate} ${code}`;
          const stage = isReturning ? 1 : 0;
          return [{ key, kind: 'drift', fleet, host, certificate, code, since, stage, patienceMs: 0 }];
        }),
      ),
  );
}
