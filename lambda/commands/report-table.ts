/** What `pemfleet status` prints for people: one table a fleet, and a line for each thing that is not as it should be, or not for ever. */
import { printable } from '#common/printable.ts';
import { table } from '#common/table.ts';
import type { HostReport } from '../fleet/host-report.ts';
import type { CertificateReport, EndedReport, FleetReport } from '../fleet/report.ts';
import { minute } from './output.ts';

/** Lines of one kind for one host. */
const MAX_LINES = 20;

export function reportTable(reports: readonly FleetReport[]): string {
  return reports.map((report) => fleetTable(report)).join('\n');
}

function fleetTable(report: FleetReport): string {
  const { fleet, certificates, silent, left, unreadable, hosts, ended, error } = report;
  const head = ['CERTIFICATE', 'IDENTIFIERS', 'SERIAL', 'EXPIRES', 'SERVED BY', 'BEHIND'];
  const lines = [
    ...(error === undefined ? [] : [`cannot be read: ${error.code} ${error.message}`]),
    ...hosts.flatMap(hostLines),
    ...silent.map(({ host, reportedAt }) => `silent since ${minute(reportedAt)}: ${host}`),
    ...left.map(({ host, leftAt }) => `left at ${minute(leftAt)}: ${host}`),
    ...unreadable.map(({ host, code }) => `status cannot be read: ${host} (${code})`),
    ...certificates.filter(({ isConfigured }) => !isConfigured).map((one) => unconfiguredLine(one, fleet)),
    ...ended.map(endedLine),
  ];
  const text = lines.map((line) => `${printable(line)}\n`).join('');
  return `fleet ${fleet}\n${table([head, ...certificates.map(rowOf)])}${text}`;
}

function rowOf(report: CertificateReport): string[] {
  const { certificate, identifiers, serial, notAfter, served, behind } = report;
  const late = behind.map(
    ({ host, state, error }) => `${host}: ${state}${error === undefined ? '' : ` (${error.code})`}`,
  );
  return [
    certificate,
    identifiers.join(','),
    serial,
    minute(notAfter),
    `${served.length} of ${served.length + behind.length}`,
    late.join('; '),
  ];
}

function unconfiguredLine({ certificate, notAfter }: CertificateReport, fleet: string): string {
  const withdraw = `pemfleet withdraw ${certificate} --fleet ${fleet} ends it`;
  return `published, not configured, expires ${minute(notAfter)}: ${certificate}; ${withdraw}`;
}

function endedLine({ certificate, reason, at, by }: EndedReport): string {
  const successors = by === undefined ? '' : ` by ${by.join(', ')}`;
  return `${reason}${successors} at ${minute(at)}: ${certificate}`;
}

/** What keeps the host from following comes first. */
function hostLines({ host, conditions, unlisted, removals }: HostReport): string[] {
  return [
    ...conditions.map(
      ({ condition, since, message }) => `${host}: ${condition} since ${minute(since)}: ${message}`,
    ),
    ...few(unlisted, ({ file, notAfter }) => {
      const end = notAfter === undefined ? 'its end is unknown' : `expires ${minute(notAfter)}`;
      return `${host}: ${file}: served, nothing names it, ${end}`;
    }),
    ...few(removals, ({ file, state, since, error }) => {
      const why = error === undefined ? '' : ` (${error.code} ${error.message})`;
      return `${host}: ${file}: to be removed, ${state} since ${minute(since)}${why}`;
    }),
  ];
}

function few<T>(all: readonly T[], lineOf: (one: T) => string): string[] {
  const lines = all.slice(0, MAX_LINES).map(lineOf);
  return all.length > MAX_LINES ? [...lines, `… and ${all.length - MAX_LINES} more`] : lines;
}
