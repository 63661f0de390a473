/** What is wrong with the hosts of a fleet, by the report. Pure. */
import { clockOffsetText } from '#common/clock.ts';
import { DAY_MS, spanText } from '#common/time.ts';
import type { Drift } from '#contract/host-status.ts';
import {
  followsManifest,
  type HostReport,
  isReturningDrift,
  isUnprovenByDesign,
  type UnprovenFile,
} from '../fleet/host-report.ts';
import type { FleetReport } from '../fleet/report.ts';
import { ENDING_WITHIN_MS } from '../order/lifetime.ts';
import type { StatusCode, StatusLevel, StatusLine, StatusView } from './status-line.ts';
import { durationText, expiryText, relativeTime } from './time-text.ts';

export function hostLines(report: FleetReport, view: StatusView): StatusLine[] {
  const { now, fleet } = view;
  const silent = report.silent.map(({ host, reportedAt: since }) => {
    const text = `${host}: silent ${durationText(since, now)}: is the machine there, and pemfleet-agent running?`;
    return { level: 'wrong', code: 'silent', fleet, host, since, text } as const;
  });
  const left = report.left.map(({ host, leftAt: since }) => {
    return {
      level: 'note',
      code: 'left',
      fleet,
      host,
      since,
      text: `${host}: left ${relativeTime(since, now)}`,
    } as const;
  });
  const unreadable = report.unreadable.map(({ host, code, writtenAt: since }) => {
    const text = `${host}: its status cannot be read (${code}), written ${relativeTime(since, now)}`;
    return { level: 'unknown', code: 'status-unreadable', fleet, host, since, text } as const;
  });
  // What a silent host has said hours ago need not be true now.
  const silentHosts = new Set(silent.map(({ host }) => host));
  const reporting = report.hosts.filter(({ host }) => !silentHosts.has(host));
  const firstAt = report.certificates.map(({ publishedAt }) => publishedAt).sort()[0];
  return [
    ...reporting.flatMap((host) => arrivingLine(host, firstAt, view) ?? linesOfHost(host, view)),
    ...silent,
    ...unreadable,
    ...left,
  ];
}

/**
 * A host that has looked before anything was published for its fleet, and looks again within the grace.
 * @param firstAt of the first publication
 */
function arrivingLine(
  { host, error, conditions, reportedAt }: HostReport,
  firstAt: string | undefined,
  { now, fleet, graceMs }: StatusView,
): StatusLine | undefined {
  if (error?.code !== 'ERR_MANIFEST_MISSING' || conditions.length > 0 || firstAt === undefined)
    return undefined;
  const [first, reported] = [Date.parse(firstAt), Date.parse(reportedAt)];
  if (reported >= first || now.getTime() - first >= graceMs) return undefined;
  const text = `${host}: on its way: it reported ${relativeTime(reportedAt, now)}, before the first publication, and polls again`;
  return { level: 'note', code: 'arriving', fleet, host, text };
}

function linesOfHost(report: HostReport, view: StatusView): StatusLine[] {
  const { host, error, clockOffsetMs, conditions } = report;
  const { now, fleet } = view;
  const line = (
    level: StatusLevel,
    code: StatusCode,
    text: string,
    more: Partial<StatusLine> = {},
  ): StatusLine => {
    return { level, code, fleet, host, text: `${host}: ${text}`, ...more };
  };
  const isSaid = conditions.some(({ condition }) => condition === 'clock-off');
  const offset = clockOffsetMs === undefined || isSaid ? undefined : clockOffsetText(clockOffsetMs);
  return [
    ...(error && !isSaidBy(conditions, error.message)
      ? [line('wrong', 'host-error', `${error.code} ${error.message}`)]
      : []),
    ...(offset ? [line('wrong', 'clock-off', `its clock is ${offset} of the store's: set it (NTP)`)] : []),
    ...conditions.map(({ condition, since, message }) => {
      const isClock = condition === 'clock-off';
      const isHarmless = !isClock && followsManifest([condition]);
      const text = `${condition} ${durationText(since, now)}: ${message}`;
      return line(isHarmless ? 'note' : 'wrong', isClock ? 'clock-off' : 'condition', text, { since });
    }),
    ...report.expired.map(({ file, certificate, notAfter }) =>
      line('wrong', 'expired', `${file}: ${expiryText(notAfter, now)}, and HAProxy serves it`, {
        certificate,
      }),
    ),
    ...unprovenLines(report.unproven, now, line),
    ...report.drift.flatMap((one) => driftLine(one, now, line)),
    ...unlistedLines(report, now, line),
    ...report.removals.map(({ file, certificate, state, since, error: why }) => {
      const reason = why === undefined ? '' : ` (${why.code} ${why.message})`;
      const text = `${file}: to be removed, ${state} ${durationText(since, now)}${reason}`;
      return line(state === 'failed' ? 'wrong' : 'note', 'removal', text, { certificate, since });
    }),
    ...proofLine(report, now, line),
  ];
}

/** One fault is one line: the condition, which also says since when. */
function isSaidBy(conditions: HostReport['conditions'], text: string): boolean {
  return conditions.some(({ condition, message }) => text === `${condition}: ${message}`);
}

type Line = (level: StatusLevel, code: StatusCode, text: string, more?: Partial<StatusLine>) => StatusLine;

/** One bind that nobody answers is one line, however many certificates it has. */
function unprovenLines(unproven: readonly UnprovenFile[], now: Date, line: Line): StatusLine[] {
  const byMessage = new Map<string, UnprovenFile[]>();
  for (const one of unproven) {
    const key = `${one.reason} ${one.message}`;
    byMessage.set(key, [...(byMessage.get(key) ?? []), one]);
  }
  return [...byMessage.values()].map((all) => {
    const [first] = all as [UnprovenFile, ...UnprovenFile[]];
    const since = all.map((one) => one.since).sort()[0] ?? first.since;
    const what = all.length === 1 ? first.file : `${all.length} files`;
    const text = `${what}: unproven ${durationText(since, now)}, ${first.reason}: ${first.message}`;
    const level = isUnprovenByDesign(first.reason) ? 'note' : 'wrong';
    return line(level, 'unproven', text, {
      since,
      certificate: all.length === 1 ? first.certificate : undefined,
    });
  });
}

function driftLine(
  { kind, file, certificate, first, at, count, days, culprit }: Drift,
  now: Date,
  line: Line,
): StatusLine[] {
  const agoMs = now.getTime() - Date.parse(at);
  const isReturning = isReturningDrift({ days, at: new Date(at) }, now);
  if (!isReturning && agoMs >= DAY_MS) return [];
  const by = culprit === undefined ? '' : `, by ${culprit}`;
  const times = count === 1 ? 'once' : `${count} times on ${days === 1 ? 'one day' : `${days} days`}`;
  const text = `${file}: ${kind}, repaired ${times}, last ${relativeTime(at, now)}${by}`;
  return [line(isReturning ? 'wrong' : 'note', 'drift', text, { certificate, since: first })];
}

/** What has expired has its own line. */
function unlistedLines({ unlisted, expired }: HostReport, now: Date, line: Line): StatusLine[] {
  const gone = new Set(expired.map(({ file }) => file));
  return unlisted
    .filter(({ file }) => !gone.has(file))
    .map(({ file, certificate, notAfter }) => {
      const end = notAfter === undefined ? 'its end is unknown' : expiryText(notAfter, now);
      const isEnding = notAfter !== undefined && Date.parse(notAfter) - now.getTime() < ENDING_WITHIN_MS;
      const text = `${file}: served, nothing names it, ${end}`;
      return line(isEnding ? 'wrong' : 'note', isEnding ? 'ending' : 'unlisted', text, { certificate });
    });
}

/** Proofs that were renewed since are no reason to report: their age is that of the last report. */
function proofLine({ proofs, reportedAt }: HostReport, now: Date, line: Line): StatusLine[] {
  if (proofs === undefined) return [];
  const { spanMs, oldest, unproven } = proofs;
  const ageMs = oldest === undefined ? undefined : Date.parse(reportedAt) - Date.parse(oldest);
  const was = ageMs === undefined ? 'there was none' : `the oldest was ${spanText(Math.max(0, ageMs))} old`;
  const age = `${was} at its report ${relativeTime(reportedAt, now)}`;
  const without = unproven === 0 ? '' : `, ${unproven} without`;
  return [line('note', 'proofs', `handshakes within ${spanText(spanMs)}, ${age}${without}`)];
}
