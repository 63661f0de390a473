/** What `pemfleet probe` prints for people: what is wrong first, one line each; what is right as a number. */
import { printable } from '#common/printable.ts';
import { table } from '#common/table.ts';
import { HARMLESS_VERDICTS } from './judge.ts';
import type { ProbeRow } from './probe.ts';
import type { ProbeFault } from './read-targets.ts';

export function probeTable(rows: readonly ProbeRow[], faults: readonly ProbeFault[]): string {
  const unread = faults.map(({ fleet, code, message }) => `fleet ${fleet}: ${code} ${message}\n`);
  const notable = rows.filter(({ verdict }) => verdict !== 'served');
  const wrong = notable.filter(({ verdict }) => !HARMLESS_VERDICTS.has(verdict));
  const others = notable.filter(({ verdict }) => HARMLESS_VERDICTS.has(verdict));
  const head = ['VERDICT', 'NAME', 'ADDRESS', 'SHOWS', ''];
  const cells = [...wrong, ...others].map(rowOf);
  const served = rows.length - notable.length;
  const summary = `${served} of ${rows.length} answers show what is published; ${wrong.length} show something else\n`;
  return `${unread.map(printable).join('')}${cells.length === 0 ? '' : table([head, ...cells])}${summary}`;
}

function rowOf({ verdict, name, address = '-', keyKind, alias, detail = '', wire }: ProbeRow): string[] {
  const shows =
    wire === undefined ? '-' : `${wire.serial} until ${minuteOf(wire.notAfter)} by ${wire.issuer}`;
  const where = keyKind === undefined ? address : `${address} (${keyKind})`;
  return [verdict, name, where, shows, alias === undefined ? detail : `${detail} (CNAME ${alias})`.trim()];
}

/** Of an RFC 3339 time, without seconds. */
const minuteOf = (instant: string) => instant.slice(0, 16).replace('T', ' ');
