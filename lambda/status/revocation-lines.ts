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
  const waits = waitText(certificate, serials, reports);
  // A pass has had its chance: what has kept it is in its log, and in the certificate's own lines.
  const isLate = now.getTime() - Date.parse(at) > SOON_MS;
  const text = `${certificate}: ${serials.join(' ')} is to be revoked (${reason}), asked for ${relativeTime(at, now)} by ${by}: ${waits}`;
  return { level: isLate ? 'wrong' : 'note', code: 'revocation', certificate, since: at, text };
}

/** What the next pass waits for: it asks the same of the manifests, and of the hosts that live. */
function waitText(
  certificate: CertificateName,
  serials: readonly string[],
  reports: readonly FleetReport[],
): string {
  const own = reports.flatMap((report) =>
    report.certificates
      .filter((one) => one.certificate === certificate)
      .map((one) => ({ fleet: report.fleet, isOld: serials.includes(one.serial), ...one })),
  );
  const isMissing = reports.some(({ missing }) => missing.some((one) => one.certificate === certificate));
  if (isMissing || own.some(({ isOld, isConfigured }) => isOld && isConfigured)) {
    return 'what takes its place is not published yet';
  }
  const [unreadable] = reports.filter(({ error }) => error !== undefined);
  if (unreadable !== undefined) return `waits until the manifest of fleet ${unreadable.fleet} can be read`;
  const former = own.filter(({ isOld }) => isOld).map(({ fleet }) => fleet);
  const behind = own.filter(({ isOld }) => !isOld).flatMap((one) => one.behind.map(({ host }) => host));
  const waits = [...formerText(certificate, former), ...hostsText(behind)];
  if (waits.length > 0) return `waits ${waits.join(', and ')}`;
  return 'the next pass revokes it, once each living host has proved what takes its place';
}

/** No pass publishes anything else to a fleet that it is configured for no more. */
function formerText(certificate: CertificateName, fleets: readonly string[]): string[] {
  if (fleets.length === 0) return [];
  const commands = fleets.map((fleet) => `pemfleet withdraw ${certificate} --fleet ${fleet}`);
  const where = `until no host of ${fleets.map((fleet) => `fleet ${fleet}`).join(', ')} has it`;
  return [`${where}, for which it is configured no more (${commands.join('; ')})`];
}

function hostsText(hosts: readonly string[]): string[] {
  if (hosts.length === 0) return [];
  const more = hosts.length > MAX_NAMED ? `, and ${hosts.length - MAX_NAMED} more` : '';
  return [`for ${hosts.slice(0, MAX_NAMED).join(', ')}${more} to serve what takes its place`];
}
