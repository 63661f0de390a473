/** The findings of `pemfleet doctor`. docs/cli.md lists them. */
import type { DoctorFinding, Severity } from '#common/doctor/findings.ts';
import type { CheckName } from '../../preflight/finding.ts';

const OWN = {
  'config-refused': 'error',
  'config-denied': 'error',
  'secret-denied': 'error',
  'secret-open': 'error',
  'files-foreign': 'error',
  'files-open': 'error',
  'unit-missing': 'note',
  'unit-disabled': 'warning',
  'unit-failed': 'error',
  'unit-read-only': 'error',
  'unit-core-dumps': 'warning',
  'clock-unsynchronized': 'warning',
  'clock-off': 'warning',
  'bucket-missing': 'warning',
  'bucket-failed': 'error',
  'signing-key': 'error',
  'issuer-conflict': 'error',
  'pass-overdue': 'error',
  'responder-silent': 'error',
  'agent-failed': 'error',
} as const satisfies Record<string, Severity>;

/** What `plan --check` finds wrong is an error here; what it cannot tell, a warning. */
export type IssuerFindingId = keyof typeof OWN | `check-${CheckName}`;
export type IssuerFinding = DoctorFinding<IssuerFindingId>;

export const ISSUER_FINDINGS: Readonly<Record<string, Severity>> = OWN;

export function issuerFinding(id: keyof typeof OWN, seen: string, fix: string): IssuerFinding {
  return { id, severity: OWN[id], seen, fix };
}
