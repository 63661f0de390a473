/** What a pass measures, by the names under which CloudWatch has it (docs/aws.md); pure. */
import { DAY_MS } from '#common/time.ts';
import type { Outcome, UnconfiguredOutcome } from '../outcome.ts';
import { isHostBehind, isSilent, type PublishedManifest } from './behind.ts';
import type { HostSummary } from './summary.ts';

export interface PassMetrics {
  /** One for each pass that has completed; its absence is an alarm. */
  RunFinished?: 1;
  CertificatesIssued: number;
  CertificatesFailed: number;
  /** Should have been renewed some time ago. */
  CertificatesOverdue: number;
  /** Published, and not configured: they stay served until they expire or are withdrawn. */
  CertificatesUnconfigured: number;
  /** Served and renewed by nobody (not configured, or named by no manifest), and expiring within 14 days. */
  CertificatesEnding: number;
  /** Of the certificate that expires first; absent while nothing is published. */
  DaysToExpiry?: number;
  /** Hosts that do not serve what is published: behind.ts. */
  HostsBehind: number;
  /** Hosts that have not reported for three hours; they count as nothing else. */
  HostsSilent: number;
  /** Hosts with a file that HAProxy takes at a reload only. */
  NeedsReload: number;
  NotifyFailed: number;
}

/** A fleet's hosts by name, and the manifest that they should have. */
export interface FleetHosts {
  fleet: string;
  summaries: Readonly<Record<string, HostSummary>>;
  manifest: PublishedManifest | undefined;
}

export interface Lifetime {
  notBefore: Date;
  notAfter: Date;
}

/** What the metrics are computed from. */
export interface PassFacts {
  outcomes: readonly Outcome[];
  /** Of the published PEMs of what is configured. */
  lifetimes: readonly Lifetime[];
  /** What is published and not configured. */
  unconfigured: readonly UnconfiguredOutcome[];
  fleets: readonly FleetHosts[];
  /** Calls to Systems Manager that failed. */
  notifyFailed: number;
  now: Date;
  /** The pass came to its end; absent: it did. */
  isComplete?: boolean;
}

/** Time enough to put it back into the configuration, or to find out that nobody needs it. */
const ENDING_WITHIN_MS = 14 * DAY_MS;

/** Renewal is due at a third of the lifetime (half below ten days): a certificate with less than these shares left is late. */
const [LATE_SHARE, LATE_SHARE_SHORT, SHORT_LIVED_MS] = [1 / 4, 3 / 8, 10 * DAY_MS];

export function metricsOf({
  outcomes,
  lifetimes,
  unconfigured,
  fleets,
  notifyFailed,
  now,
  isComplete = true,
}: PassFacts): PassMetrics {
  const count = (result: Outcome['result']) => outcomes.filter((outcome) => outcome.result === result).length;
  const hosts = fleets.flatMap(({ summaries, manifest }) =>
    Object.values(summaries)
      .filter(({ hasLeft }) => !hasLeft)
      .map((host) => ({ host, manifest })),
  );
  const reporting = hosts.filter(({ host }) => !isSilent(host.reportedAt, now));
  const firstEnd = Math.min(...lifetimes.map(({ notAfter }) => notAfter.getTime()));
  return {
    ...(isComplete && { RunFinished: 1 }),
    CertificatesIssued: count('issued'),
    CertificatesFailed: count('failed'),
    CertificatesOverdue: lifetimes.filter((lifetime) => isLate(lifetime, now)).length,
    CertificatesUnconfigured: unconfigured.filter(isKept).length,
    CertificatesEnding: endingSoon(unconfigured, fleets, now).size,
    ...(lifetimes.length > 0 && { DaysToExpiry: (firstEnd - now.getTime()) / DAY_MS }),
    HostsBehind: reporting.filter(({ host, manifest }) => isHostBehind(host, manifest, now)).length,
    HostsSilent: hosts.length - reporting.length,
    NeedsReload: reporting.filter(({ host }) => (host.states['needs-reload'] ?? 0) > 0).length,
    NotifyFailed: notifyFailed,
  };
}

function isKept({ result }: UnconfiguredOutcome): boolean {
  return result === 'kept';
}

/** By fleet and certificate: each counts once, however many hosts serve it. */
function endingSoon(
  unconfigured: readonly UnconfiguredOutcome[],
  fleets: readonly FleetHosts[],
  now: Date,
): ReadonlySet<string> {
  const isSoon = (end: Date) => end > now && end.getTime() - now.getTime() < ENDING_WITHIN_MS;
  const published = unconfigured
    .filter(isKept)
    .filter(({ notAfter }) => isSoon(new Date(notAfter)))
    .map(({ fleet, certificate }) => `${fleet}/${certificate}`);
  const unlisted = fleets.flatMap(({ fleet, summaries }) =>
    Object.values(summaries)
      .filter(({ hasLeft, reportedAt }) => !hasLeft && !isSilent(reportedAt, now))
      .flatMap((host) => host.unlisted ?? [])
      .filter(({ notAfter }) => isSoon(notAfter))
      .map(({ certificate }) => `${fleet}/${certificate}`),
  );
  return new Set([...published, ...unlisted]);
}

function isLate({ notBefore, notAfter }: Lifetime, now: Date): boolean {
  const lifeMs = notAfter.getTime() - notBefore.getTime();
  const share = lifeMs < SHORT_LIVED_MS ? LATE_SHARE_SHORT : LATE_SHARE;
  return notAfter.getTime() - now.getTime() < lifeMs * share;
}
