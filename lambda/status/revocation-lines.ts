/** What operators want revoked, and which hosts have not proved what takes its place. */
import { HOUR_MS } from '#common/time.ts';
import { BucketError, messageOf } from '#contract/errors.ts';
import type { CertificateName } from '#contract/layout.ts';
import type { Bucket } from '#storage/bucket.ts';
import type { FleetReport } from '../fleet/report.ts';
import {
  type RevocationRequest,
  readRevocations,
  type StoredRevocation,
  serialsOf,
} from '../replacement/revocations.ts';
import type { StatusLine } from './status-line.ts';
import { relativeTime } from './time-text.ts';

/** A replacement, a poll of each host and a pass take less. */
const SOON_MS = 3 * HOUR_MS;
/** Hosts in one line. */
const MAX_NAMED = 5;

/** What cannot be read is a line. */
export async function pendingRevocationLines(
  bucket: Bucket,
  reports: readonly FleetReport[],
  now: Date,
): Promise<StatusLine[]> {
  try {
    return (await readRevocations(bucket)).flatMap((one) => linesOf(one, reports, now));
  } catch (error) {
    if (!(error instanceof BucketError)) throw error;
    const text = `what is to be revoked is unknown: ${error.code} ${messageOf(error)}`;
    return [{ level: 'unknown', code: 'revocation-unreadable', text }];
  }
}

function linesOf(
  { certificate, requests, fault }: StoredRevocation,
  reports: readonly FleetReport[],
  now: Date,
): StatusLine[] {
  if (requests === undefined) {
    const text = `${certificate}: what is to be revoked is unknown: ${fault?.code} ${fault?.message}; pemfleet revoke ${certificate} --cancel ends it, or ask again with --serial`;
    return [{ level: 'unknown', code: 'revocation-unreadable', certificate, text }];
  }
  return requests.map((request) => lineOf(certificate, request, reports, now));
}

function lineOf(
  certificate: CertificateName,
  request: RevocationRequest,
  reports: readonly FleetReport[],
  now: Date,
): StatusLine {
  const { at, reason, by } = request;
  const serials = serialsOf(request);
  const own = reports.flatMap((report) =>
    report.certificates.filter((one) => one.certificate === certificate),
  );
  const isReplaced = own.length > 0 && own.every(({ serial }) => !serials.includes(serial));
  const hosts = own.flatMap(({ behind }) => behind.map(({ host }) => host));
  const waits = isReplaced ? hostsText(hosts) : 'what takes its place is not published yet';
  // A pass has had its chance: what has kept it is in its log, and in the certificate's own lines.
  const isLate = now.getTime() - Date.parse(at) > SOON_MS;
  const text = `${certificate}: ${serials.join(' ')} is to be revoked (${reason}), asked for ${relativeTime(at, now)} by ${by}: ${waits}`;
  return { level: isLate ? 'wrong' : 'note', code: 'revocation', certificate, since: at, text };
}

function hostsText(hosts: readonly string[]): string {
  if (hosts.length === 0)
    return 'the next pass revokes it, once each living host has proved what takes its place';
  const more = hosts.length > MAX_NAMED ? `, and ${hosts.length - MAX_NAMED} more` : '';
  return `waits for ${hosts.slice(0, MAX_NAMED).join(', ')}${more} to serve what takes its place`;
}
