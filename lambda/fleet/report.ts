/** What a fleet serves, from its manifest and the statuses of its hosts, for `pemfleet status`; pure. */
import type { Manifest } from '#contract/manifest.ts';
import type { OwnKeys } from '../publication/read-manifest.ts';
import { type CertificateState, certificateStateOf, isSilent } from './behind.ts';
import { ownHeads } from './heads.ts';
import { type HostReport, reportHosts } from './host-report.ts';
import type { ReadStatus, UnreadableStatus } from './read-status.ts';

export interface CertificateReport {
  certificate: string;
  /** False: published, and not configured for this fleet. It is served until `notAfter`, or until it is withdrawn. */
  isConfigured: boolean;
  identifiers: readonly string[];
  serial: string;
  notAfter: string;
  /** Hosts that serve exactly what is published. */
  served: string[];
  /** Hosts that do not, and why. */
  behind: ({ host: string } & CertificateState)[];
}

export interface FleetReport {
  fleet: string;
  certificates: CertificateReport[];
  /** Hosts that have not reported for longer than `SILENT_AFTER_MS`. */
  silent: { host: string; reportedAt: string }[];
  /** Hosts that were shut down or removed: neither silent nor behind. */
  left: { host: string; leftAt: string }[];
  unreadable: UnreadableStatus[];
  /** Hosts with conditions, unlisted files or removals. */
  hosts: HostReport[];
  /** Tombstones: what was ended, and is still valid. */
  ended: EndedReport[];
  /** Why the manifest cannot be read, or the statuses cannot be listed: `certificates` or the hosts are unknown then. */
  error?: { code: string; message: string };
}

export interface EndedReport {
  certificate: string;
  reason: string;
  at: string;
  /** The last PEM that the tombstone names expires then. */
  notAfter: string;
  by?: readonly string[] | undefined;
}

/** What the hosts of a fleet have reported. */
export interface FleetStatuses {
  statuses: readonly ReadStatus[];
  unreadable: UnreadableStatus[];
  /** Of the manifest: of version 1, for hosts whose agent reads no root. */
  etag?: string | undefined;
  /** Whose signature makes a reported head count. */
  keys?: OwnKeys | undefined;
  /** Names that are configured for the fleet. */
  configured?: ReadonlySet<string> | undefined;
}

export function reportFleet(
  manifest: Manifest,
  { statuses, unreadable, etag, keys, configured }: FleetStatuses,
  now: Date,
): FleetReport {
  const left = statuses.flatMap(({ host, leftAt }) => (leftAt === undefined ? [] : [{ host, leftAt }]));
  const present = statuses.filter(({ leftAt }) => leftAt === undefined);
  const silent = present.flatMap(({ host, reportedAt }) =>
    isSilent(new Date(reportedAt), now) ? [{ host, reportedAt }] : [],
  );
  const published = etag === undefined ? undefined : { etag, updatedAt: new Date(manifest.updatedAt) };
  const heads = ownHeads(present, keys, now);
  const certificates = Object.entries(manifest.certificates).map(([certificate, entry]) => {
    const { identifiers, pems, publishedAt } = entry;
    const [newest] = pems;
    const wanted = new Set(pems.map((pem) => pem.sha256));
    const hosts = present.map((status) => ({
      host: status.host,
      ...certificateStateOf(status, certificate, {
        ...{ wanted, publishedAt },
        manifest: published,
        head: heads.get(status.host),
      }),
    }));
    return {
      certificate,
      isConfigured: configured?.has(certificate) ?? true,
      identifiers,
      serial: newest?.serial ?? '',
      notAfter: newest?.notAfter ?? '',
      served: hosts.filter(({ state }) => state === 'served').map(({ host }) => host),
      behind: hosts.filter(({ state }) => state !== 'served'),
    };
  });
  const hosts = reportHosts(present);
  return {
    fleet: manifest.fleet,
    certificates,
    silent,
    left,
    unreadable,
    hosts,
    ended: endedIn(manifest, now),
  };
}

function endedIn({ tombstones = {} }: Manifest, now: Date): EndedReport[] {
  return Object.entries(tombstones).flatMap(([certificate, { reason, at, by, pems }]) => {
    const [notAfter = ''] = pems
      .map((pem) => pem.notAfter)
      .sort()
      .reverse();
    return new Date(notAfter) > now ? [{ certificate, reason, at, notAfter, by }] : [];
  });
}
