/**
 * What hosts serve, where it differs from what their reports said before: collected while statuses are read, and handed to the record
 * (record.ts). A report that says the same again costs nothing.
 */
import { createHash } from 'node:crypto';
import { MINUTE_MS } from '#common/time.ts';
import type { FileStatus } from '#contract/host-status.ts';
import type { CertificateName, FleetName } from '#contract/layout.ts';
import type { ReadStatus, StatusEntry } from '../read-status.ts';
import { type HostSummary, type SummariesByHost, storeClock } from '../summary.ts';

/** Of one pass: hosts times certificates. What is beyond it is noted by the next report. */
const MAX_CHANGES = 100_000;
/** A host dates its files, the store its report. */
const SLACK_MS = 3 * MINUTE_MS;

/** All versions of one certificate that a host serves: of a pair, two. */
export interface ServedChange {
  fleet: FleetName;
  certificate: CertificateName;
  host: string;
  /** Of the report that says so, and of the one before; by the store's clock. */
  at: Date;
  before: Date | undefined;
  served: readonly ServedVersion[];
}

export interface ServedVersion {
  serial: string;
  since: Date;
  /** By a TLS handshake, not only by what HAProxy says. */
  isProved: boolean;
}

export class ServedChanges {
  readonly changes: ServedChange[] = [];
  /** By fleet: hosts whose status is gone, with the time of their last report. */
  readonly gone = new Map<FleetName, ReadonlyMap<string, Date>>();

  /** @returns the digest to keep in the host's summary; undefined: it is noted by the next report */
  note(status: ReadStatus, old: HostSummary | undefined): string | undefined {
    const digest = digestOf(status.files);
    if (digest === old?.served) return digest;
    if (this.changes.length >= MAX_CHANGES) return undefined;
    const clock = storeClock(status);
    const since = old?.served === undefined ? 0 : old.reportedAt.getTime() - SLACK_MS;
    const changed = status.files.filter((file) => clock(file.since).getTime() > since);
    const at = new Date(status.reportedAt);
    for (const certificate of new Set(changed.map((file) => file.certificate))) {
      const served = servedVersions(status, certificate);
      this.changes.push({
        ...{ fleet: status.fleet, certificate, host: status.host, at, served },
        before: old?.reportedAt,
      });
    }
    return digest;
  }

  noteGone(fleet: FleetName, old: SummariesByHost, entries: readonly StatusEntry[]): void {
    const there = new Set(entries.map(({ host }) => host));
    const gone = Object.entries(old).filter(([host]) => !there.has(host));
    if (gone.length === 0) return;
    this.gone.set(fleet, new Map(gone.map(([host, { reportedAt }]) => [host, reportedAt])));
  }
}

export function servedVersions(status: ReadStatus, certificate: string): ServedVersion[] {
  const clock = storeClock(status);
  const versions = status.files.flatMap((file): ServedVersion[] => {
    const serial = servedSerial(file);
    if (file.certificate !== certificate || serial === undefined) return [];
    const isServed = file.state === 'served';
    const since = isServed ? clock(file.since) : new Date(status.reportedAt);
    return [{ serial, since, isProved: isServed && file.provenAt !== undefined }];
  });
  return [...new Map(versions.map((version) => [version.serial, version])).values()];
}

/** What is not served as it is wanted is what HAProxy shows: mostly the version before. */
export function servedSerial({ state, wanted, runtime }: FileStatus): string | undefined {
  return state === 'served' ? wanted.serial : runtime?.serial;
}

function digestOf(files: readonly FileStatus[]): string {
  const all = files.map((file) => `${file.certificate} ${servedSerial(file) ?? ''}`).sort();
  return createHash('sha256').update(all.join('\n')).digest('hex').slice(0, 32);
}
