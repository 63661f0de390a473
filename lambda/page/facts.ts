/** What a page shows beside the status: how each host stands with each certificate, collected while statuses are in memory. Pure. */
import type { FileStatus, HostStatus } from '#contract/host-status.ts';
import { acmeOriginOf, type Manifest } from '#contract/manifest.ts';
import { type CertificateReport, type FleetReport, filesByCertificate } from '../fleet/report.ts';
import { type RenewalTimes, renewalTime } from '../pass/renewal-time.ts';

/** One host with one certificate. */
export interface PageCell {
  /** `unknown`: the host does not report any more. */
  state: FileStatus['state'] | 'unknown';
  /** What HAProxy shows, where it is not what is published. */
  serial?: string | undefined;
  /** Of the oldest handshake that has shown it; absent: none has. */
  provenAt?: string | undefined;
}

export interface PageCertificate {
  fleet: string;
  name: string;
  identifiers: readonly string[];
  /** Of a pair, two; none: it is not published. */
  serials: readonly string[];
  keyTypes: readonly string[];
  /** Host of the CA's directory, or `imported`. */
  origin: string;
  publishedAt?: string | undefined;
  notAfter?: string | undefined;
  /** Absent: nobody renews it. */
  renewAt?: Date | undefined;
  /** In the order of the fleet's hosts. */
  cells: readonly PageCell[];
}

export interface PageHost {
  host: string;
  /** Why what it says may not be true any more. */
  isSilent: boolean;
  version?: string | undefined;
}

export interface PageFleet {
  fleet: string;
  hosts: readonly PageHost[];
  certificates: readonly PageCertificate[];
}

/** `lb2` before `lb10`. */
const { compare: inOrder } = new Intl.Collator('en', { numeric: true });

export interface FleetRead {
  report: FleetReport;
  manifest: Manifest;
  statuses: readonly HostStatus[];
}

/** @param windows as the last pass has left them: no CA is asked */
export function pageFleetOf({ report, manifest, statuses }: FleetRead, times: RenewalTimes): PageFleet {
  const silent = new Set(report.silent.map(({ host }) => host));
  const present = statuses.filter(({ leftAt }) => leftAt === undefined);
  const files = new Map(present.map((status) => [status.host, filesByCertificate(status)]));
  const hosts = present
    .map(({ host, haproxy }) => ({ host, isSilent: silent.has(host), version: haproxy[0]?.version }))
    .sort((a, b) => inOrder(a.host, b.host));
  const published = report.certificates.map((one): PageCertificate => {
    const entry = manifest.certificates[one.certificate as keyof typeof manifest.certificates];
    const states = statesOf(one);
    return {
      ...{ fleet: report.fleet, name: one.certificate, identifiers: one.identifiers },
      serials: entry?.pems.map(({ serial }) => serial) ?? [one.serial],
      keyTypes: entry?.pems.map(({ keyType }) => keyType) ?? [],
      origin: originText(entry && acmeOriginOf(entry)?.directoryUrl),
      ...{ publishedAt: one.publishedAt, notAfter: one.notAfter },
      renewAt: one.isConfigured && entry !== undefined ? renewalTime(entry, times) : undefined,
      cells: hosts.map(({ host, isSilent }) => {
        const state = isSilent ? 'unknown' : (states.get(host) ?? 'unknown');
        return cellOf(state, files.get(host)?.get(one.certificate) ?? []);
      }),
    };
  });
  const missing = report.missing.map(({ certificate, identifiers, servedBy }): PageCertificate => {
    const cells = hosts.map(({ host }): PageCell => {
      const shown = files.get(host)?.get(certificate)?.[0]?.runtime?.serial;
      return { state: 'pending', serial: servedBy.includes(host) ? shown : undefined };
    });
    return {
      ...{ fleet: report.fleet, name: certificate, identifiers, serials: [], keyTypes: [], origin: '' },
      cells,
    };
  });
  return { fleet: report.fleet, hosts, certificates: [...missing, ...published] };
}

function statesOf({ served, behind }: CertificateReport): ReadonlyMap<string, FileStatus['state']> {
  return new Map([
    ...served.map((host): [string, FileStatus['state']] => [host, 'served']),
    ...behind.map(({ host, state }): [string, FileStatus['state']] => [host, state]),
  ]);
}

/** Of several files (a pair, several HAProxy), what is proved of all of them. */
function cellOf(state: PageCell['state'], files: readonly FileStatus[]): PageCell {
  const proofs = files.map(({ provenAt }) => provenAt).sort();
  const isProved = files.length > 0 && proofs.every((proof) => proof !== undefined);
  const shown = state === 'served' ? undefined : files.find(({ runtime }) => runtime !== undefined);
  return { state, serial: shown?.runtime?.serial, provenAt: isProved ? proofs[0] : undefined };
}

function originText(directoryUrl: string | undefined): string {
  return directoryUrl === undefined ? 'imported' : new URL(directoryUrl).host;
}
