/**
 * What is wrong at the end of a pass, from facts that stand in the bucket: which certificate or host, why, and since when. The figures
 * (metrics.ts) count it. What is wrong stays in the list until it is no longer so,
 * whatever the pass itself has done. Pure.
 */
import { DAY_MS, HOUR_MS } from '#common/time.ts';
import { isProofLate } from '#contract/host-status.ts';
import type { ExpectedHosts } from '../config/hosts.ts';
import { isSilent, lagsOf, type PublishedManifest } from '../fleet/behind.ts';
import { missingHosts } from '../fleet/expected.ts';
import { isReturningDrift } from '../fleet/host-report.ts';
import type { FailedCall } from '../fleet/hosts.ts';
import type { HostSummary } from '../fleet/summary.ts';
import { ENDING_WITHIN_MS, importEnding, isOverdue, overdueSince } from '../order/lifetime.ts';
import type { Outcome, UnconfiguredOutcome } from '../outcome.ts';
import { LEVELS, type Level } from './levels.ts';

export interface Problem {
  level: Level;
  /** A certificate, `fleet/certificate`, `fleet/host` or a fleet; counts once. */
  subject: string;
  /** Of a host: the certificate that it is about. */
  certificate?: string | undefined;
  /** An error code, or a word of ours. */
  code: string;
  /** Absent: nobody knows. */
  since?: Date | undefined;
}

/** A fleet's hosts by name, and the manifest that they should have. */
export interface FleetHosts {
  fleet: string;
  summaries: Readonly<Record<string, HostSummary>>;
  manifest: PublishedManifest | undefined;
  /** `hosts.expected` of pemfleet.yaml. */
  expected?: ExpectedHosts | undefined;
}

/** A PEM of a configured certificate, as published in one fleet. */
export interface PublishedPem {
  notBefore: Date;
  notAfter: Date;
  fleet: string;
  certificate: string;
  /** It is configured as imported: nobody renews it. */
  isImported?: boolean | undefined;
}

export type UnconfiguredPem = Pick<UnconfiguredOutcome, 'result' | 'notAfter'> & {
  fleet: string;
  certificate: string;
  /** Nobody has ordered it. */
  isImported?: boolean | undefined;
};

/** A certificate whose last attempt failed: it may be backing off. */
export interface Failing {
  certificate: string;
  code: string;
  since: Date;
  /** For people; absent: nobody knows. */
  message?: string | undefined;
  attempts?: number | undefined;
  nextAttempt?: Date | undefined;
}

/** What stands in the bucket, and what the pass has met. */
export interface ProblemFacts {
  outcomes: readonly Outcome[];
  /** By their order records. */
  failing: readonly Failing[];
  /** Configured for a fleet whose manifest is known and lacks them. */
  missing: readonly { fleet: string; certificate: string; since?: Date | undefined }[];
  published: readonly PublishedPem[];
  /** What is published and not configured. */
  unconfigured: readonly UnconfiguredPem[];
  fleets: readonly FleetHosts[];
  failedCalls: readonly FailedCall[];
  /** Not renewed on an operator's word; absent: nobody holds any. */
  isHeld?: ((fleet: string, certificate: string) => boolean) | undefined;
  now: Date;
}

/** @returns the worst first, the longest first among them. One for each level and subject */
export function problemsOf(facts: ProblemFacts): Problem[] {
  const all = [
    ...failingOf(facts),
    ...facts.missing.map(({ certificate, since }) => {
      return { level: 'CertificatesMissing', subject: certificate, code: 'never-published', since } as const;
    }),
    ...lateOf(facts),
    ...expiredOf(facts),
    ...endingOf(facts),
    ...importEndingOf(facts),
    ...facts.fleets.flatMap((fleet) => hostProblems(fleet, facts.now)),
    ...facts.failedCalls.map(({ fleet, code, since }) => {
      return { level: 'NotifyFailed', subject: fleet, code, since } as const;
    }),
  ];
  const ageOf = ({ since = facts.now }: Problem) => since.getTime();
  const sorted = all.sort((a, b) => LEVELS.indexOf(a.level) - LEVELS.indexOf(b.level) || ageOf(a) - ageOf(b));
  return [
    ...new Map([...sorted].reverse().map((one) => [`${one.level} ${one.subject}`, one])).values(),
  ].reverse();
}

function failingOf({ failing, outcomes, now }: ProblemFacts): Problem[] {
  const recorded = new Map(failing.map((one) => [one.certificate, one]));
  for (const { certificate, result, error } of outcomes) {
    const isFailed = result === 'failed' || error !== undefined;
    if (!isFailed || recorded.has(certificate)) continue;
    recorded.set(certificate, { certificate, code: error?.code ?? 'failed', since: now });
  }
  return [...recorded.values()].map(({ certificate, code, since }) => {
    return { level: 'CertificatesFailing', subject: certificate, code, since };
  });
}

function lateOf({ published, isHeld, now }: ProblemFacts): Problem[] {
  return published.flatMap((pem) => {
    if (pem.isImported || !isOverdue(pem, now) || isHeld?.(pem.fleet, pem.certificate)) return [];
    const since = overdueSince(pem);
    return {
      level: 'CertificatesOverdue',
      subject: `${pem.fleet}/${pem.certificate}`,
      code: 'overdue',
      since,
    };
  });
}

/** Published, configured or not, or shown by HAProxy: what a host that reports hands out. */
function expiredOf({ published, unconfigured, fleets, now }: ProblemFacts): Problem[] {
  const named = [
    ...published,
    ...unconfigured.filter(isKept).map(({ fleet, certificate, notAfter }) => {
      return { fleet, certificate, notAfter: new Date(notAfter) };
    }),
    ...fleets.flatMap(({ fleet, summaries }) =>
      reportingHosts(summaries, now)
        .flatMap(([, { expiring = [], unlisted = [] }]) => [...expiring, ...unlisted])
        .map((shown) => ({ fleet, ...shown })),
    ),
  ];
  return named
    .filter(({ notAfter }) => notAfter <= now)
    .map(({ fleet, certificate, notAfter: since }) => {
      return { level: 'CertificatesExpired', subject: `${fleet}/${certificate}`, code: 'expired', since };
    });
}

function isKept({ result }: UnconfiguredPem): boolean {
  return result === 'kept';
}

/** Each counts once, however many hosts serve it. */
function endingOf({ unconfigured, fleets, now }: ProblemFacts): Problem[] {
  const withHosts = new Set(
    fleets.filter(({ summaries }) => presentHosts(summaries).length > 0).map(({ fleet }) => fleet),
  );
  const held = unconfigured.filter((one) => !one.isImported && isKept(one) && withHosts.has(one.fleet));
  const published = held.map(({ fleet, certificate, notAfter }) => {
    return { fleet: `${fleet}`, certificate: `${certificate}`, notAfter: new Date(notAfter) };
  });
  const unlisted = fleets.flatMap(({ fleet, summaries }) =>
    reportingHosts(summaries, now)
      .flatMap(([, host]) => host.unlisted ?? [])
      .map((one) => ({ fleet, ...one })),
  );
  return [...published, ...unlisted].flatMap(({ fleet, certificate, notAfter }) => {
    const since = new Date(notAfter.getTime() - ENDING_WITHIN_MS);
    if (notAfter <= now || since >= now) return [];
    return { level: 'CertificatesEnding', subject: `${fleet}/${certificate}`, code: 'ending', since };
  });
}

/** Whether hosts have it or not: it takes people some days to buy the next one. Each stage stands until the next one, or until it is over. */
function importEndingOf({ published, unconfigured, now }: ProblemFacts): Problem[] {
  const kept = unconfigured.filter(isKept).map((one) => ({ ...one, notAfter: new Date(one.notAfter) }));
  return [...published, ...kept].flatMap(({ fleet, certificate, notAfter, isImported }) => {
    const stage = isImported && notAfter > now ? importEnding(notAfter, now) : undefined;
    return stage === undefined
      ? []
      : [{ level: 'CertificatesEnding', subject: `${fleet}/${certificate}`, ...stage }];
  });
}

type NamedHost = [host: string, summary: HostSummary];

function presentHosts(summaries: FleetHosts['summaries']): NamedHost[] {
  return Object.entries(summaries).filter(([, { hasLeft }]) => !hasLeft);
}

/** A silent host is silent, and nothing else: it may be well or not. */
function reportingHosts(summaries: FleetHosts['summaries'], now: Date): NamedHost[] {
  return presentHosts(summaries).filter(([, { reportedAt }]) => !isSilent(reportedAt, now));
}

function hostProblems({ fleet, summaries, manifest, expected }: FleetHosts, now: Date): Problem[] {
  const silent = presentHosts(summaries).filter(([, { reportedAt }]) => isSilent(reportedAt, now));
  const left = Object.entries(summaries).map(([host, { hasLeft, reportedAt }]) => {
    return { host, leftAt: hasLeft ? reportedAt : undefined };
  });
  const { count, names } = missingHosts(expected, left, now);
  const missing = Array.from({ length: count }, (_, index) => names[index] ?? `(${index + 1} of ${count})`);
  return [
    ...silent.map(([host, { reportedAt }]) => {
      return {
        level: 'HostsSilent',
        subject: `${fleet}/${host}`,
        code: 'silent',
        since: reportedAt,
      } as const;
    }),
    ...missing.map((host) => {
      return { level: 'HostsMissing', subject: `${fleet}/${host}`, code: 'never-came' } as const;
    }),
    ...reportingHosts(summaries, now).flatMap(([host, summary]) =>
      [
        ...behindOf(summary, manifest, now),
        ...reloadOf(summary),
        ...unprovenOf(summary),
        ...driftOf(summary, now),
      ].map((problem) => ({ ...problem, subject: `${fleet}/${host}` })),
    ),
  ];
}

type HostProblem = Omit<Problem, 'subject'>;

function behindOf(host: HostSummary, manifest: PublishedManifest | undefined, now: Date): HostProblem[] {
  return lagsOf(host, manifest, now).map((lag) => ({ level: 'HostsBehind', ...lag }));
}

function reloadOf({ states, unserved: [first] = [] }: HostSummary): HostProblem[] {
  if ((states['needs-reload'] ?? 0) === 0) return [];
  const { certificate, since } = first ?? {};
  return [{ level: 'NeedsReload', code: 'needs-reload', certificate, since }];
}

function unprovenOf({ unproven, proofs, reportedAt }: HostSummary): HostProblem[] {
  const isLate = proofs !== undefined && isProofLate(proofs.ageMs, proofs);
  const since = isLate ? new Date(reportedAt.getTime() - proofs.ageMs) : undefined;
  return [
    ...(unproven ? [{ level: 'HostsUnproven', ...unproven, code: unproven.reason } as const] : []),
    ...(isLate ? [{ level: 'HostsUnproven', code: 'proof-late', since } as const] : []),
  ];
}

function driftOf({ drift = [] }: HostSummary, now: Date): HostProblem[] {
  const returning = drift.filter((one) => isReturningDrift(one, now));
  return returning.map(({ certificate, kind, first }) => {
    return { level: 'DriftReturning', certificate, code: kind, since: first };
  });
}

/** Drifts of the last 24 hours, on hosts that report. */
export function repairedDrifts({ fleets, now }: Pick<ProblemFacts, 'fleets' | 'now'>): number {
  return fleets
    .flatMap(({ summaries }) => reportingHosts(summaries, now))
    .flatMap(([, { drift = [] }]) => drift)
    .filter(({ at }) => now.getTime() - at.getTime() < DAY_MS).length;
}

/** Of the hosts that report: how old their oldest proof was when they did. Undefined: none has said so. */
export function oldestProofHours({ fleets, now }: Pick<ProblemFacts, 'fleets' | 'now'>): number | undefined {
  const ages = fleets
    .flatMap(({ summaries }) => reportingHosts(summaries, now))
    .flatMap(([, { proofs }]) => (proofs ? [proofs.ageMs] : []));
  return ages.length === 0 ? undefined : Math.max(...ages) / HOUR_MS;
}
