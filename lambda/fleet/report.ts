/** What the fleet serves, from the manifest and the hosts' own words; pure. */
import { HOUR_MS } from '#common/time.ts';
import type { HostStatus } from '#contract/host-status.ts';
import type { Manifest } from '#contract/manifest.ts';

export interface CertificateReport {
  certificate: string;
  identifiers: readonly string[];
  serial: string;
  notAfter: string;
  /** Hosts that serve exactly what is published. */
  served: string[];
  /** Hosts that do not, and why. */
  behind: { host: string; state: string; since?: string; error?: { code: string; message: string } }[];
}

export interface FleetReport {
  fleet: string;
  certificates: CertificateReport[];
  /** Hosts that have not reported for longer than `silentAfterMs`. */
  silent: { host: string; reportedAt: string }[];
  /** Hosts that were shut down or taken away: nobody waits for them. */
  left: { host: string; leftAt: string }[];
  /** Hosts whose status cannot be read by this version. */
  unreadable: { host: string; code: string }[];
}

/** Two heartbeats of the agent and some. */
export const SILENT_AFTER_MS = 3 * HOUR_MS;

export function reportFleet(manifest: Manifest, all: readonly HostStatus[], now: Date): FleetReport {
  const left = all.flatMap(({ host, leftAt }) => (leftAt === undefined ? [] : [{ host, leftAt }]));
  const statuses = all.filter(({ leftAt }) => leftAt === undefined);
  const certificates = Object.entries(manifest.certificates).map(([certificate, entry]) => {
    const [newest] = entry.pems;
    const report = {
      certificate,
      identifiers: entry.identifiers,
      serial: newest?.serial ?? '',
      notAfter: newest?.notAfter ?? '',
    };
    const wanted = new Set(entry.pems.map((pem) => pem.sha256));
    const hosts = statuses.map((status) => ({ host: status.host, ...stateOf(status, certificate, wanted) }));
    const served = hosts.filter(({ state }) => state === 'served').map(({ host }) => host);
    return { ...report, served, behind: hosts.filter(({ state }) => state !== 'served') };
  });
  const isSilent = ({ reportedAt }: HostStatus) => now.getTime() - Date.parse(reportedAt) > SILENT_AFTER_MS;
  const silent = statuses.filter(isSilent).map(({ host, reportedAt }) => ({ host, reportedAt }));
  return { fleet: manifest.fleet, certificates, silent, left, unreadable: [] };
}

function stateOf(status: HostStatus, certificate: string, wanted: ReadonlySet<string>) {
  const files = status.files.filter(
    (file) => file.certificate === certificate && wanted.has(file.wanted.sha256),
  );
  const worst = files.find((file) => file.state !== 'served');
  if (worst !== undefined)
    return { state: worst.state, since: worst.since, ...(worst.error && { error: worst.error }) };
  // A host with several HAProxy has a file in each.
  if (new Set(files.map((file) => file.wanted.sha256)).size === wanted.size)
    return { state: 'served' as const };
  return { state: 'pending' as const, ...(status.error && { error: status.error }) };
}
