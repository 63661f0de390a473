/** What `pemfleet status` prints for people: by fleet, what is wrong, then its certificates, then what else is to be known. */
import { printable } from '#common/printable.ts';
import { table } from '#common/table.ts';
import type { CertificateReport, FleetReport } from '../fleet/report.ts';
import type { StatusCode, StatusLevel, StatusLine } from '../status/status-line.ts';
import { relativeTime } from '../status/time-text.ts';

/** Of one kind, so many say enough; --json has all. */
const MAX_LINES = 20;

export interface TableView {
  now: Date;
  /** Characters of a line of the table. */
  width: number;
}

/** @param lines by fleet, as `fleetLines` has them */
export function reportTable(
  reports: readonly { report: FleetReport; lines: readonly StatusLine[] }[],
  view: TableView,
): string {
  return reports.map(({ report, lines }) => fleetTable(report, lines, view)).join('\n');
}

function fleetTable(report: FleetReport, lines: readonly StatusLine[], { now, width }: TableView): string {
  const { fleet, certificates, missing, present } = report;
  const worst = new Map<string, StatusCode>();
  for (const { certificate, level, code } of lines) {
    if (certificate === undefined || level !== 'wrong') continue;
    worst.set(certificate, worst.get(certificate) ?? code);
  }
  const rows = [
    ...missing.map(({ certificate, identifiers }) => [
      certificate,
      'missing',
      '-',
      '-',
      namesText(identifiers),
    ]),
    ...certificates.map((one) => rowOf(one, worst.get(one.certificate), now)),
  ];
  const rank = ([name = '']: readonly string[]) =>
    lines.findIndex(({ certificate, level }) => certificate === name && level === 'wrong');
  const worstFirst = rows.map((row) => ({ row, at: rank(row) })).sort((a, b) => order(a.at) - order(b.at));
  const head = ['CERTIFICATE', 'STATE', 'SERVED BY', 'EXPIRES', 'NAMES'];
  const body = rows.length === 0 ? '' : table([head, ...worstFirst.map(({ row }) => row)], width);
  const counted = [numberOf(certificates.length + missing.length, 'certificate'), numberOf(present, 'host')];
  const counts = `${counted.join(', ')}: ${summary(lines)}`;
  return [
    `${printable(`fleet ${fleet}: ${counts}`)}\n`,
    linesText(lines.filter(({ level }) => level !== 'note')),
    body,
    linesText(lines.filter(({ level }) => level === 'note')),
  ].join('');
}

const order = (at: number) => (at === -1 ? Number.MAX_SAFE_INTEGER : at);

const numberOf = (count: number, what: string) => `${count} ${what}${count === 1 ? '' : 's'}`;

function summary(lines: readonly StatusLine[]): string {
  const count = (wanted: StatusLevel) => lines.filter(({ level }) => level === wanted).length;
  const [wrong, unknown] = [count('wrong'), count('unknown')];
  if (wrong + unknown === 0) return 'all is well';
  return [...(wrong > 0 ? [`${wrong} wrong`] : []), ...(unknown > 0 ? [`${unknown} unknown`] : [])].join(
    ', ',
  );
}

function rowOf(
  { certificate, identifiers, notAfter, served, behind }: CertificateReport,
  code: StatusCode | undefined,
  now: Date,
): string[] {
  const all = served.length + behind.length;
  const isServed = all > 0 && behind.length === 0;
  return [
    certificate,
    code ?? (isServed ? 'served' : 'published'),
    `${served.length} of ${all}`,
    relativeTime(notAfter, now),
    namesText(identifiers),
  ];
}

/** However few of them fit, their number is there. */
function namesText(identifiers: readonly string[]): string {
  const [first = ''] = identifiers;
  return identifiers.length === 1 ? first : `${identifiers.length}: ${identifiers.join(', ')}`;
}

/** `wrong: www.example.com: …`; @param lines sorted by their codes */
export function linesText(lines: readonly StatusLine[]): string {
  const counts = new Map<StatusCode, number>();
  const texts: string[] = [];
  for (const { level, code, text } of lines) {
    const count = (counts.get(code) ?? 0) + 1;
    counts.set(code, count);
    if (count <= MAX_LINES) texts.push(`${level}: ${text}`);
    const all = count === MAX_LINES + 1 ? lines.filter((one) => one.code === code).length : 0;
    if (all > 0) texts.push(`${level}: … and ${all - MAX_LINES} more (${code}); --json has all`);
  }
  return texts.map((text) => `${printable(text)}\n`).join('');
}
