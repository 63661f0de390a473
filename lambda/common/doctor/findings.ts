/** Findings of the `doctor` of both programs: what it saw, how bad that is, and the command or the line of configuration that mends it. */
import { printable } from '#common/printable.ts';

/** `error`: certificates are not ordered, installed or served, or not safe; `warning`: it may come to that; `note`: good to know. */
export type Severity = 'error' | 'warning' | 'note';

export interface DoctorFinding<Id extends string = string> {
  /** Name of the HAProxy that it is about, on a host with several. */
  instance?: string;
  id: Id;
  severity: Severity;
  seen: string;
  fix: string;
}

/** The worst one first. */
export function findingsText(findings: readonly DoctorFinding[]): string {
  if (findings.length === 0) return 'no problems found\n';
  const order: Severity[] = ['error', 'warning', 'note'];
  const sorted = order.flatMap((wanted) => findings.filter(({ severity }) => severity === wanted));
  return sorted
    .map(({ instance, id, severity, seen, fix }) => {
      const where = instance === undefined ? '' : `${instance}: `;
      // Lines of a refused configuration are ours; in all else a name of a file would begin one of its own.
      const shown = id === 'config-refused' ? seen : printable(seen);
      return `${severity.padEnd(7)}  ${id}: ${where}${shown}\n         → ${printable(fix)}\n`;
    })
    .join('');
}

export function findingsDocument(findings: readonly DoctorFinding[]) {
  const count = (wanted: Severity) => findings.filter(({ severity }) => severity === wanted).length;
  return { version: 1, errors: count('error'), warnings: count('warning'), notes: count('note'), findings };
}

/** 0 no problems (notes at most), 1 errors, 3 warnings only. */
export function exitStatusOfDoctor(findings: readonly DoctorFinding[]): 0 | 1 | 3 {
  const has = (wanted: Severity) => findings.some(({ severity }) => severity === wanted);
  if (has('error')) return 1;
  return has('warning') ? 3 : 0;
}
