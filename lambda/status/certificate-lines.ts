/** What is wrong with the certificates of a fleet, by the report. Pure. */
import type { CertificateReport, EndedReport, FleetReport, MissingCertificate } from '../fleet/report.ts';
import type { OrderFailure } from '../order/back-off.ts';
import { ENDING_WITHIN_MS, importEnding, isOverdue } from '../order/lifetime.ts';
import type { StatusCode, StatusLevel, StatusLine, StatusView } from './status-line.ts';
import { durationText, expiryText, relativeTime } from './time-text.ts';

/** Hosts in one line. */
const MAX_NAMED = 5;

export function certificateLines(report: FleetReport, view: StatusView): StatusLine[] {
  const blocked = new Set([
    ...report.silent.map(({ host }) => host),
    ...report.hosts.filter(({ error }) => error !== undefined).map(({ host }) => host),
  ]);
  return [
    ...report.missing.map((one) => missingLine(one, view)),
    ...report.certificates.flatMap((one) => linesOf(one, blocked, view)),
    ...report.ended.filter((one) => matters(one, report)).map((one) => endedLine(one, view)),
  ];
}

function lineOf(
  { fleet }: StatusView,
  certificate: string,
  [level, code]: readonly [StatusLevel, StatusCode],
  text: string,
): StatusLine {
  return { level, code, fleet, certificate, text: `${certificate}: ${text}` };
}

function missingLine(one: MissingCertificate, view: StatusView): StatusLine {
  const { certificate, failure, isImported, servedBy } = one;
  const serving = servedBy.length === 0 ? '' : `; still served by ${namesOf(servedBy)}`;
  const ordered =
    failure === undefined
      ? 'no attempt has failed: pemfleet plan says when it is ordered, and journalctl -u pemfleet what the last pass did'
      : failureText(failure, view.now);
  const why = isImported ? `nothing is imported: pemfleet import FILE… --name ${certificate}` : ordered;
  return {
    ...lineOf(view, certificate, ['wrong', 'missing'], `configured, not published${serving}: ${why}`),
    since: failure?.at,
  };
}

function failureText({ attempts, at, code, message, nextAttempt }: OrderFailure, now: Date): string {
  const times = attempts === 1 ? 'failed once' : `failed ${attempts} times in a row`;
  const next = new Date(nextAttempt) > now ? relativeTime(nextAttempt, now) : 'in the next pass';
  return `${times}, last ${relativeTime(at, now)}: ${code} ${message}; next attempt ${next}`;
}

function linesOf(report: CertificateReport, blocked: ReadonlySet<string>, view: StatusView): StatusLine[] {
  const { certificate, isConfigured, notAfter, failure, rolledBackAt } = report;
  const { now, fleet } = view;
  const hasExpired = new Date(notAfter) <= now;
  // Whatever the hosts of the fleet have of it; without a host, nobody serves it.
  const hasHosts = report.served.length + report.behind.length > 0;
  const isEnding =
    hasHosts &&
    !isConfigured &&
    !report.isImported &&
    new Date(notAfter).getTime() - now.getTime() < ENDING_WITHIN_MS;
  const line = (level: StatusLevel, code: StatusCode, text: string) =>
    lineOf(view, certificate, [level, code], text);
  const withdraw = `pemfleet withdraw ${certificate} --fleet ${fleet} ends it`;
  return [
    ...(hasExpired ? [line('wrong', 'expired', `${expiryText(notAfter, now)}, and is published`)] : []),
    ...(failure
      ? [{ ...line('wrong', 'failing', `renewal ${failureText(failure, now)}`), since: failure.at }]
      : []),
    ...importLines(report, view),
    ...(isConfigured && !report.isImported && !hasExpired && isOverdue(report, now)
      ? [line('wrong', 'overdue', `should have been renewed, ${expiryText(notAfter, now)}`)]
      : []),
    ...behindLines(report, blocked, view),
    ...(rolledBackAt === undefined
      ? []
      : [
          {
            ...line(
              'note',
              'rolled-back',
              `rolled back to ${report.serial} ${relativeTime(rolledBackAt, now)}`,
            ),
            since: rolledBackAt,
          },
        ]),
    ...(isConfigured
      ? []
      : [
          line(
            isEnding ? 'wrong' : 'note',
            isEnding ? 'ending' : 'unconfigured',
            `published, not configured, ${expiryText(notAfter, now)}; ${withdraw}`,
          ),
        ]),
  ];
}

/** Whether hosts have it or not: people have to bring the next one. */
function importLines(
  { certificate, isImported, notAfter, uncovered = [] }: CertificateReport,
  view: StatusView,
): StatusLine[] {
  if (!isImported) return [];
  const end = new Date(notAfter);
  const stage = end > view.now ? importEnding(end, view.now) : undefined;
  const what = `imported, ${expiryText(notAfter, view.now)}, and nobody renews it: pemfleet import the next one`;
  const lacking = `${uncovered.slice(0, MAX_NAMED).join(', ')} configured, and not in what was imported`;
  return [
    ...(stage
      ? [{ ...lineOf(view, certificate, ['wrong', 'ending'], what), since: stage.since.toISOString() }]
      : []),
    ...(uncovered.length > 0 ? [lineOf(view, certificate, ['wrong', 'missing'], lacking)] : []),
  ];
}

type Behind = CertificateReport['behind'][number];

/** Hosts that are silent, or blocked as a whole, have a line of their own. */
function behindLines(
  { certificate, served, behind }: CertificateReport,
  blocked: ReadonlySet<string>,
  view: StatusView,
): StatusLine[] {
  const { now, graceMs } = view;
  const judged = behind.filter(({ host, state }) => !blocked.has(host) || state === 'failed');
  const isArriving = ({ state, error, since }: Behind) =>
    state === 'pending' &&
    error === undefined &&
    since !== undefined &&
    now.getTime() - Date.parse(since) < graceMs;
  const [arriving, late] = [judged.filter(isArriving), judged.filter((one) => !isArriving(one))];
  const all = served.length + behind.length;
  const text = (some: readonly Behind[]) =>
    some
      .slice(0, MAX_NAMED)
      .map((one) => behindText(one, now))
      .join('; ');
  const more = (some: readonly Behind[]) =>
    some.length > MAX_NAMED ? `; and ${some.length - MAX_NAMED} more` : '';
  const says = (some: readonly Behind[]) =>
    `not served by ${some.length} of ${all}: ${text(some)}${more(some)}`;
  const [since] = late.flatMap((one) => one.since ?? []).sort();
  return [
    ...(late.length > 0 ? [{ ...lineOf(view, certificate, ['wrong', 'behind'], says(late)), since }] : []),
    ...(arriving.length > 0
      ? [lineOf(view, certificate, ['note', 'arriving'], `on its way, ${says(arriving)}`)]
      : []),
  ];
}

function behindText({ host, state, since, error }: Behind, now: Date): string {
  const span = since === undefined ? '' : ` ${durationText(since, now)}`;
  return `${host} ${state}${span}${error === undefined ? '' : ` (${error.code} ${error.message})`}`;
}

/** What was ended is gone, unless a host still has it; where the name is published again, that is another certificate. */
function matters({ certificate }: EndedReport, { certificates, hosts }: FleetReport): boolean {
  const isHeld = hosts.some(({ removals }) =>
    removals.some((removal) => removal.certificate === certificate),
  );
  return isHeld || !certificates.some((one) => one.certificate === certificate);
}

function endedLine({ certificate, reason, at, by }: EndedReport, view: StatusView): StatusLine {
  const successors = by === undefined ? '' : ` by ${by.join(', ')}`;
  return {
    ...lineOf(view, certificate, ['note', 'ended'], `${reason}${successors} ${relativeTime(at, view.now)}`),
    since: at,
  };
}

function namesOf(all: readonly string[]): string {
  const first = all.slice(0, MAX_NAMED).join(', ');
  return all.length > MAX_NAMED ? `${first} and ${all.length - MAX_NAMED} more` : first;
}
