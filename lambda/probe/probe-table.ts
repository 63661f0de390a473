/** What `pemfleet probe` prints for people: what is wrong first, one line each; what is right as a number. */
import { isUnreached, nameServerAdvice } from '#common/net/dns-fault.ts';
import { printable } from '#common/printable.ts';
import { table } from '#common/table.ts';
import { minuteText } from '#common/time.ts';
import { meaningOf } from './judge.ts';
import type { ProbeRow } from './probe.ts';
import type { ProbeFault } from './read-targets.ts';

export function probeTable(rows: readonly ProbeRow[], faults: readonly ProbeFault[]): string {
  const unread = faults.map(({ fleet, code, message }) => `fleet ${fleet}: ${code} ${message}\n`);
  const notable = rows.filter(({ verdict }) => verdict !== 'served');
  const [wrong, unknown, well] = (['wrong', 'unknown', 'well'] as const).map((meaning) =>
    notable.filter((row) => meaningOf(row) === meaning),
  ) as [ProbeRow[], ProbeRow[], ProbeRow[]];
  const head = ['VERDICT', 'NAME', 'ADDRESS', 'SHOWS', ''];
  const cells = [...wrong, ...unknown, ...well].map(rowOf);
  const served = rows.length - notable.length;
  const summary = `${served} of ${rows.length} answers show what is published; ${wrong.length} show something else${unknown.length === 0 ? '' : `; of ${unknown.length} nobody can tell`}\n`;
  return `${unread.map(printable).join('')}${cells.length === 0 ? '' : table([head, ...cells])}${summary}${unreachedLine(rows)}`;
}

/** It is this machine's fault, and of no name. */
function unreachedLine(rows: readonly ProbeRow[]): string {
  const isMeant = ({ verdict, detail }: ProbeRow) => verdict === 'dns-failed' && isUnreached(detail);
  if (!rows.some(isMeant)) return '';
  const advice = nameServerAdvice('probe.resolvers');
  return `no name server answers this machine: ${advice}; addresses in probe.fleets are asked without the DNS\n`;
}

function rowOf({ verdict, name, address = '-', keyKind, alias, detail = '', wire }: ProbeRow): string[] {
  const shows =
    wire === undefined ? '-' : `${wire.serial} until ${minuteText(wire.notAfter)} by ${wire.issuer}`;
  const where = keyKind === undefined ? address : `${address} (${keyKind})`;
  return [verdict, name, where, shows, alias === undefined ? detail : `${detail} (CNAME ${alias})`.trim()];
}
