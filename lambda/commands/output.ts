/** What `pemfleet` shows to people, and its exit statuses. */

import { table } from '#common/table.ts';
import type { FleetReport } from '../fleet/report.ts';
import type { Outcome } from '../outcome.ts';

/** docs/cli.md; 64 and 78 as in sysexits(3). */
export const EXIT = { ok: 0, failed: 1, partlyFailed: 3, usage: 64, config: 78 } as const;

export const USAGE = `pemfleet: orders and renews certificates, publishes them for HAProxy hosts

  pemfleet run                        one pass: order what is due, publish it
  pemfleet run --dry-run              (or: pemfleet plan) say what a pass would do, change nothing
  pemfleet run --force-renewal --only www.example.com
  pemfleet status                     what each host serves
  pemfleet respond --listen 127.0.0.1:8402
                                      answer HTTP-01 challenges where there is no Lambda
  pemfleet revoke www.example.com --reason keyCompromise
                                      replace it with a fresh key, then revoke it
  pemfleet account [--rollover]       the account's URL and thumbprint; --rollover changes its key
  pemfleet haproxy-config             the lines that HAProxy needs for the configured challenge
  pemfleet schema                     JSON schema of pemfleet.yaml, for an editor

  -c, --config FILE     default /etc/pemfleet/pemfleet.yaml; PEMFLEET_BUCKET overrides its bucket
  --only NAME           only this certificate (may be repeated)
  --serial HEX          revoke: one that was published earlier; --no-replace: without a replacement
  --timeout SECONDS     the pass ends after this time, the next one goes on; default 900
  --json                data as JSON on stdout (run, plan, status); text goes to stderr
  --log-format json     events as JSON lines; --quiet for none

exit status: 0 done or nothing to do, 1 failed, 3 some certificates failed, 64 usage, 78 configuration
`;

/** Failed is 1 if nothing else was, 3 if the others are fine. */
export function exitStatusOf(outcomes: readonly Outcome[]): number {
  const failed = outcomes.filter((outcome) => outcome.result === 'failed').length;
  if (failed === 0) return EXIT.ok;
  return failed === outcomes.length ? EXIT.failed : EXIT.partlyFailed;
}

export function outcomeTable(outcomes: readonly Outcome[]): string {
  const head = ['CERTIFICATE', 'RESULT', 'REASON', 'SERIAL', 'EXPIRES', ''];
  const rows = outcomes.map((outcome) => [
    outcome.certificate,
    outcome.result,
    outcome.until === undefined ? outcome.reason : `${outcome.reason} until ${minute(outcome.until)}`,
    outcome.serial ?? '-',
    outcome.notAfter === undefined ? '-' : minute(outcome.notAfter),
    outcome.error === undefined ? '' : `${outcome.error.code} ${outcome.error.message}`,
  ]);
  const places = outcomes.flatMap((outcome) => outcome.places ?? []);
  return `${table([head, ...rows])}${places.map((place) => `${place}\n`).join('')}`;
}

export function reportTable(reports: readonly FleetReport[]): string {
  return reports.map((report) => fleetTable(report)).join('\n');
}

function fleetTable({ fleet, certificates, silent, left, unreadable }: FleetReport): string {
  const rows = certificates.map(({ certificate, identifiers, serial, notAfter, served, behind }) => [
    certificate,
    identifiers.join(','),
    serial,
    minute(notAfter),
    `${served.length} of ${served.length + behind.length}`,
    behind
      .map(({ host, state, error }) => `${host}: ${state}${error === undefined ? '' : ` (${error.code})`}`)
      .join('; '),
  ]);
  const head = ['CERTIFICATE', 'IDENTIFIERS', 'SERIAL', 'EXPIRES', 'SERVED BY', 'BEHIND'];
  const quiet = silent
    .map(({ host, reportedAt }) => `silent since ${minute(reportedAt)}: ${host}\n`)
    .join('');
  const gone = left.map(({ host, leftAt }) => `left at ${minute(leftAt)}: ${host}\n`).join('');
  const broken = unreadable.map(({ host, code }) => `status cannot be read: ${host} (${code})\n`).join('');
  return `fleet ${fleet}\n${table([head, ...rows])}${quiet}${gone}${broken}`;
}

function minute(instant: string): string {
  return instant.slice(0, 16).replace('T', ' ');
}
