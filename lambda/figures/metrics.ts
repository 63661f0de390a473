/** The figures of a pass, by the names under which CloudWatch has them (docs/aws.md): what is true at its end; pure. */
import { DAY_MS } from '#common/time.ts';
import { LEVELS, type Level } from './levels.ts';
import { oldestProofHours, type Problem, type ProblemFacts, problemsOf, repairedDrifts } from './problems.ts';

/** Each level is the number of its problems: certificates, hosts or fleets. Absent: what there is to know could not be read. */
export interface PassMetrics extends Partial<Record<Level, number>> {
  /** One for each pass that has completed; its absence is an alarm. */
  RunFinished?: 1;
  /** The one figure that is no level: in this pass. */
  CertificatesIssued: number;
  /** Published, and not configured: they stay served until they expire or are withdrawn. */
  CertificatesUnconfigured: number;
  /** Not renewed, or not published to a fleet, on an operator's word; absent: nobody knows. */
  CertificatesHeld?: number;
  /** Of the certificate that expires first; absent while nothing is published. */
  DaysToExpiry?: number;
  /** What hosts have found different and repaired in the last 24 hours. */
  DriftRepaired: number;
  /** Names for which an address shows clients something else; only where `probe` is scheduled. */
  NamesWrong?: number;
  /** How old the oldest proof of a certificate on a host is; absent: no host says so. */
  OldestProofHours?: number;
}

export interface PassFacts extends ProblemFacts {
  /** The pass came to its end; absent: it did. */
  isComplete?: boolean;
  /** Of which some facts are unknown: one that is there is one at least, and none is no figure. */
  incomplete?: ReadonlySet<Level>;
}

export function metricsOf(facts: PassFacts, problems: readonly Problem[] = problemsOf(facts)): PassMetrics {
  const { outcomes, published, unconfigured, now, isComplete = true, incomplete, isHeld } = facts;
  const held = published.filter(({ fleet, certificate }) => isHeld?.(fleet, certificate));
  const count = (level: Level) => problems.filter((problem) => problem.level === level).length;
  const firstEnd = Math.min(...published.map(({ notAfter }) => notAfter.getTime()));
  const OldestProofHours = oldestProofHours(facts);
  const levels: Record<Level, number> = {
    CertificatesFailing: count('CertificatesFailing'),
    CertificatesMissing: count('CertificatesMissing'),
    CertificatesOverdue: count('CertificatesOverdue'),
    CertificatesExpired: count('CertificatesExpired'),
    CertificatesEnding: count('CertificatesEnding'),
    HostsBehind: count('HostsBehind'),
    HostsSilent: count('HostsSilent'),
    HostsMissing: count('HostsMissing'),
    HostsUnproven: count('HostsUnproven'),
    NeedsReload: count('NeedsReload'),
    DriftReturning: count('DriftReturning'),
    NotifyFailed: count('NotifyFailed'),
  };
  const isKnown = (level: Level) => levels[level] > 0 || !incomplete?.has(level);
  return {
    ...(isComplete && { RunFinished: 1 }),
    ...Object.fromEntries(LEVELS.filter(isKnown).map((level) => [level, levels[level]])),
    CertificatesIssued: outcomes.filter(({ result }) => result === 'issued').length,
    CertificatesUnconfigured: unconfigured.filter(({ result }) => result === 'kept').length,
    ...(isHeld && { CertificatesHeld: new Set(held.map(({ certificate }) => certificate)).size }),
    ...(published.length > 0 && { DaysToExpiry: (firstEnd - now.getTime()) / DAY_MS }),
    DriftRepaired: repairedDrifts(facts),
    ...(OldestProofHours !== undefined && { OldestProofHours }),
  };
}
