/** What a fleet serves, from its manifest and the statuses of its hosts, for `pemfleet status`; pure. */
import type { FileStatus, HostStatus } from '#contract/host-status.ts';
import { acmeOriginOf, type Manifest, type ManifestEntry, type PemRef } from '#contract/manifest.ts';
import type { CertificateSpec } from '../config/config.ts';
import type { ExpectedHosts } from '../config/hosts.ts';
import { type OrderFailure, orderFailureOf } from '../order/back-off.ts';
import { type FailedAttempts, failureOfAttempt } from '../order/failures.ts';
import type { StoredRecord } from '../order/record.ts';
import { hasNames } from '../publication/entry.ts';
import type { OwnKeys } from '../publication/read-manifest.ts';
import { type CertificateState, certificateStateOf, isSilent } from './behind.ts';
import { type MissingHosts, missingHosts } from './expected.ts';
import { ownHeads } from './heads.ts';
import { type HostReport, reportHosts } from './host-report.ts';
import type { ReadStatus, UnreadableStatus } from './read-status.ts';

export interface CertificateReport {
  certificate: string;
  /** False: published, and not configured for this fleet. It is served until `notAfter`, or until it is withdrawn. */
  isConfigured: boolean;
  /** Nobody renews it: it is configured as imported, or was imported and is not configured. */
  isImported?: boolean | undefined;
  /** Configured names that an imported certificate does not have. */
  uncovered?: readonly string[] | undefined;
  identifiers: readonly string[];
  serial: string;
  publishedAt: string;
  /** An operator has put an earlier version in force again. */
  rolledBackAt?: string | undefined;
  /** Of a pair, of the PEM that expires first. */
  notBefore: string;
  notAfter: string;
  /** Its renewal fails, or the pass before did not finish it: why, how often, when it is tried again. */
  failure?: OrderFailure | undefined;
  /** Hosts that serve exactly what is published. */
  served: string[];
  /** Hosts that do not, and why. */
  behind: ({ host: string } & CertificateState)[];
}

/** Configured for the fleet, and published to it never, or not any more. */
export interface MissingCertificate {
  certificate: string;
  /** No CA is asked for it. */
  isImported?: boolean | undefined;
  identifiers: readonly string[];
  failure?: OrderFailure | undefined;
  /** Hosts that serve it all the same, as what nothing names. */
  servedBy: string[];
}

export interface FleetReport {
  fleet: string;
  certificates: CertificateReport[];
  missing: MissingCertificate[];
  /** Nothing is published, and something was. */
  isLost?: true;
  /** When the manifest was signed last; absent: nothing is published, or by version 1. */
  signedAt?: string;
  /** Hosts that have reported, and have not left. */
  present: number;
  /** Hosts that `hosts.expected` names or counts; absent: none is missing. */
  missingHosts?: MissingHosts;
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
  /** What is configured for the fleet; absent: it is not known what is published. */
  specs?: readonly CertificateSpec[] | undefined;
  /** By certificate, as `readOrderRecords` has them. */
  records?: ReadonlyMap<string, Pick<StoredRecord, 'record'>> | undefined;
  /** Attempts that failed, also those without an order record. */
  failures?: FailedAttempts | undefined;
  expected?: ExpectedHosts | undefined;
  /** Nothing is published, and something was. */
  isLost?: boolean | undefined;
}

export function reportFleet(manifest: Manifest, read: FleetStatuses, now: Date): FleetReport {
  const { statuses, unreadable, etag, keys, configured, records } = read;
  const failureOf = (name: string, pems?: readonly PemRef[]) => {
    const record = records?.get(name)?.record;
    const ofOrder = record && orderFailureOf(record, pems, now);
    return ofOrder ?? failureOfAttempt(read.failures?.[name]);
  };
  const left = statuses.flatMap(({ host, leftAt }) => (leftAt === undefined ? [] : [{ host, leftAt }]));
  const present = statuses.filter(({ leftAt }) => leftAt === undefined);
  const silent = present.flatMap(({ host, reportedAt }) =>
    isSilent(new Date(reportedAt), now) ? [{ host, reportedAt }] : [],
  );
  const published = etag === undefined ? undefined : { etag, updatedAt: new Date(manifest.updatedAt) };
  const heads = ownHeads(present, keys, now);
  const filed = present.map((status) => ({ status, files: filesByCertificate(status) }));
  const specs = new Map<string, CertificateSpec>((read.specs ?? []).map((spec) => [spec.name, spec]));
  const certificates = Object.entries(manifest.certificates).map(([certificate, entry]) => {
    const { identifiers, pems, publishedAt, rolledBackAt } = entry;
    const [first] = [...pems].sort((a, b) => (a.notAfter < b.notAfter ? -1 : 1));
    const wanted = new Set(pems.map((pem) => pem.sha256));
    const hosts = filed.map(({ status, files }) => ({
      host: status.host,
      ...certificateStateOf({ ...status, files: files.get(certificate) ?? [] }, certificate, {
        ...{ wanted, publishedAt },
        manifest: published,
        head: heads.get(status.host),
      }),
    }));
    return {
      certificate,
      isConfigured: configured?.has(certificate) ?? true,
      ...importOf(entry, specs.get(certificate)),
      identifiers,
      serial: first?.serial ?? '',
      publishedAt,
      ...(rolledBackAt && { rolledBackAt }),
      notBefore: first?.notBefore ?? '',
      notAfter: first?.notAfter ?? '',
      failure: failureOf(certificate, pems),
      served: hosts.filter(({ state }) => state === 'served').map(({ host }) => host),
      behind: hosts.filter(({ state }) => state !== 'served'),
    };
  });
  const hosts = reportHosts(present, now);
  const missing = (read.specs ?? [])
    .filter(({ name }) => !Object.hasOwn(manifest.certificates, name))
    .map(({ name, identifiers, imported }) => {
      const serving = hosts.filter((host) => host.unlisted.some(({ certificate }) => certificate === name));
      const servedBy = serving.map(({ host }) => host);
      const isImported = imported || undefined;
      return { certificate: name, isImported, identifiers, failure: failureOf(name), servedBy };
    });
  const known = [...statuses.map(presentHostOf), ...unreadable];
  const missingHostsNow = missingHosts(read.expected, known, now);
  return {
    fleet: manifest.fleet,
    certificates,
    missing,
    ...(read.isLost && { isLost: true }),
    ...(manifest.signedAt !== undefined && { signedAt: manifest.signedAt }),
    present: present.length + unreadable.length,
    ...(missingHostsNow.count > 0 && { missingHosts: missingHostsNow }),
    silent,
    left,
    unreadable,
    hosts,
    ended: endedIn(manifest, now),
  };
}

/** Of thousands of certificates on a hundred hosts, nobody searches each list for each name. */
export function filesByCertificate({ files }: Pick<HostStatus, 'files'>): ReadonlyMap<string, FileStatus[]> {
  const byName = new Map<string, FileStatus[]>();
  for (const file of files) {
    const some = byName.get(file.certificate);
    if (some === undefined) byName.set(file.certificate, [file]);
    else some.push(file);
  }
  return byName;
}

function importOf(
  entry: ManifestEntry,
  spec: CertificateSpec | undefined,
): Pick<CertificateReport, 'isImported' | 'uncovered'> {
  const isImported = spec === undefined ? acmeOriginOf(entry) === undefined : spec.imported === true;
  if (!isImported) return {};
  const uncovered = (spec?.identifiers ?? []).filter((name) => !hasNames(entry, [name]));
  return { isImported, ...(uncovered.length > 0 && { uncovered }) };
}

function presentHostOf({ host, leftAt }: ReadStatus) {
  return { host, leftAt: leftAt === undefined ? undefined : new Date(leftAt) };
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
