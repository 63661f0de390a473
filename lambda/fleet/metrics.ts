/** What a pass measures, by the names under which CloudWatch has it (docs/aws.md); pure. */
import { DAY_MS, MINUTE_MS } from '#common/time.ts';
import type { Outcome } from '../outcome.ts';
import type { HostSummary } from './hosts.ts';
import { SILENT_AFTER_MS } from './report.ts';

export interface PassMetrics {
  /** One for each pass that came to its end: its absence is an alarm. */
  RunFinished: 1;
  CertificatesIssued: number;
  CertificatesFailed: number;
  /** Should have been renewed some time ago. */
  CertificatesOverdue: number;
  /** Of the certificate that expires first; absent while nothing is published. */
  DaysToExpiry?: number;
  HostsBehind: number;
  HostsSilent: number;
  NeedsReload: number;
  NotifyFailed: number;
}

/** A fleet's hosts and the manifest that they should have. */
export interface FleetHosts {
  notes: Readonly<Record<string, HostSummary>>;
  manifest: { etag: string; updatedAt: Date } | undefined;
}

/** Renewal is wished at a third of the lifetime (half below ten days): late is what has come down to these shares. */
const [LATE_SHARE, LATE_SHARE_SHORT, SHORT_LIVED_MS] = [1 / 4, 3 / 8, 10 * DAY_MS];
/** A host has this long to bring what was published: some polls, and the report. */
const BEHIND_AFTER_MS = 30 * MINUTE_MS;

export interface Lifetime {
  notBefore: Date;
  notAfter: Date;
}

export function metricsOf(
  outcomes: readonly Outcome[],
  lifetimes: readonly Lifetime[],
  fleets: readonly FleetHosts[],
  notifyFailed: number,
  now: Date,
): PassMetrics {
  const count = (result: Outcome['result']) => outcomes.filter((outcome) => outcome.result === result).length;
  const hosts = fleets.flatMap(({ notes, manifest }) =>
    Object.values(notes)
      .filter(({ hasLeft }) => !hasLeft)
      .map((note) => ({ note, manifest })),
  );
  const isSilent = (note: HostSummary) => now.getTime() - note.reportedAt.getTime() > SILENT_AFTER_MS;
  const talking = hosts.filter(({ note }) => !isSilent(note));
  const first = Math.min(...lifetimes.map(({ notAfter }) => notAfter.getTime()));
  return {
    RunFinished: 1,
    CertificatesIssued: count('issued'),
    CertificatesFailed: count('failed'),
    CertificatesOverdue: lifetimes.filter((lifetime) => isLate(lifetime, now)).length,
    ...(lifetimes.length > 0 && { DaysToExpiry: (first - now.getTime()) / DAY_MS }),
    HostsBehind: talking.filter(({ note, manifest }) => isBehind(note, manifest, now)).length,
    HostsSilent: hosts.length - talking.length,
    NeedsReload: talking.filter(({ note }) => (note.states['needs-reload'] ?? 0) > 0).length,
    NotifyFailed: notifyFailed,
  };
}

function isLate({ notBefore, notAfter }: Lifetime, now: Date): boolean {
  const lifeMs = notAfter.getTime() - notBefore.getTime();
  const share = lifeMs < SHORT_LIVED_MS ? LATE_SHARE_SHORT : LATE_SHARE;
  return notAfter.getTime() - now.getTime() < lifeMs * share;
}

function isBehind(note: HostSummary, manifest: FleetHosts['manifest'], now: Date): boolean {
  const isOld = manifest !== undefined && now.getTime() - manifest.updatedAt.getTime() > BEHIND_AFTER_MS;
  const hasSeen = manifest === undefined || note.manifest === manifest.etag;
  const unserved = Object.entries(note.states).some(([state, files]) => state !== 'served' && files > 0);
  return note.error !== undefined || ((unserved || !hasSeen) && isOld);
}
