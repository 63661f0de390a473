/** All that there is to say of a fleet, the worst first. Pure. */
import { DAY_MS } from '#common/time.ts';
import type { FleetReport } from '../fleet/report.ts';
import { certificateLines } from './certificate-lines.ts';
import { hostLines } from './host-lines.ts';
import { type StatusLine, type StatusView, worstFirst } from './status-line.ts';
import { relativeTime } from './time-text.ts';

/** The issuer signs twice a day: of two lost passes one is missed, and hosts say `frozen-manifest`. */
const SIGNED_WITHIN_MS = DAY_MS;

export function fleetLines(report: FleetReport, view: Omit<StatusView, 'fleet'>): StatusLine[] {
  const { fleet } = report;
  const all = { ...view, fleet };
  return worstFirst([
    ...manifestLines(report, all),
    ...certificateLines(report, all),
    ...hostLines(report, all),
    ...missingHostLines(report),
  ]);
}

function manifestLines({ fleet, error, isLost, signedAt }: FleetReport, { now }: StatusView): StatusLine[] {
  if (error !== undefined) {
    const text = `what is published or reported cannot be read: ${error.code} ${error.message}`;
    return [{ level: 'unknown', code: 'manifest-unreadable', fleet, text }];
  }
  if (isLost) {
    const text =
      'its manifest is lost: the next pass publishes again what it can; hosts go on serving what they have (docs/runbook.md)';
    return [{ level: 'wrong', code: 'manifest-lost', fleet, text }];
  }
  if (signedAt === undefined || now.getTime() - Date.parse(signedAt) < SIGNED_WITHIN_MS) return [];
  const text = `the manifest was signed ${relativeTime(signedAt, now)}, and the issuer signs twice a day: does it run?`;
  return [{ level: 'wrong', code: 'issuer-silent', fleet, since: signedAt, text }];
}

function missingHostLines({
  fleet,
  missingHosts: missing,
  present,
  certificates,
  error,
}: FleetReport): StatusLine[] {
  if (missing !== undefined) {
    const { count, names, expected } = missing;
    const who = names.length === 0 ? `${count} of ${expected} hosts` : names.slice(0, 20).join(', ');
    const text = `${who}: expected (hosts.expected), and not there: never reported, or left hours ago`;
    return [{ level: 'wrong', code: 'missing-host', fleet, text }];
  }
  if (present > 0 || certificates.length === 0 || error !== undefined) return [];
  return [
    { level: 'note', code: 'no-host', fleet, text: 'no host has reported: nobody is known to serve this' },
  ];
}
