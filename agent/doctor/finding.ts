/** The findings of `pemfleet-agent doctor`. */
import type { DoctorFinding, Severity } from '#common/doctor/findings.ts';

/** All findings. docs/agent-codes.md lists them. */
export const FINDINGS = {
  'config-refused': 'error',
  'config-denied': 'error',
  'flock-missing': 'error',
  'state-not-writable': 'error',
  'files-foreign': 'error',
  'files-open': 'error',
  'agent-user': 'note',
  'pass-overdue': 'warning',
  'unit-missing': 'note',
  'unit-disabled': 'warning',
  'unit-failed': 'error',
  'unit-read-only': 'error',
  'unit-core-dumps': 'warning',
  'clock-wrong': 'error',
  'clock-unsynchronized': 'warning',
  'bucket-missing': 'error',
  'bucket-denied': 'error',
  'bucket-credentials': 'error',
  'bucket-unreachable': 'error',
  'bucket-insecure': 'warning',
  'manifest-missing': 'error',
  'manifest-unreadable': 'error',
  'unknown-key': 'error',
  'other-lineage': 'error',
  'stale-manifest': 'error',
  'frozen-manifest': 'warning',
  'clock-off': 'warning',
  'unsigned-manifest': 'warning',
  'key-unverified': 'warning',
  'certificate-overdue': 'warning',
  'certificate-expired': 'error',
  'status-not-writable': 'error',
  'socket-missing': 'error',
  'socket-refused': 'error',
  'socket-denied': 'error',
  'socket-silent': 'error',
  'socket-not-admin': 'error',
  'socket-open-to-all': 'error',
  'haproxy-too-old': 'error',
  'haproxy-untested': 'note',
  'haproxy-stopping': 'warning',
  'haproxy-transaction': 'warning',
  'haproxy-acme': 'warning',
  'haproxy-config-unread': 'note',
  'directory-missing': 'error',
  'directory-denied': 'error',
  'directory-open': 'error',
  'directory-empty': 'error',
  'directory-not-loaded': 'error',
  'directory-other-root': 'error',
  'directory-two-names': 'warning',
  'crt-list-missing': 'error',
  'crt-list-denied': 'error',
  'crt-list-not-loaded': 'error',
  'crt-list-line': 'error',
  'crt-list-file-missing': 'error',
  'key-readable-by-all': 'error',
  'file-stray': 'error',
  'file-name-crt': 'warning',
  'file-backup': 'warning',
  'file-subdirectory': 'note',
  'file-orphan': 'note',
  'file-not-ours': 'error',
  'file-not-loaded': 'warning',
  'file-differs': 'warning',
  'file-cut-off': 'warning',
  'names-overlap': 'warning',
  'strict-sni-missing': 'warning',
  'bufsize-differs': 'error',
  'bufsize-small': 'warning',
  'ocsp-update': 'warning',
  'handshake-off': 'note',
  'handshake-failed': 'error',
  'handshake-unproven': 'note',
  'handshake-proxy': 'note',
  'proofs-logged': 'note',
  'proofs-counted': 'note',
  'address-not-served': 'warning',
} as const satisfies Record<string, Severity>;

export type FindingId = keyof typeof FINDINGS;

export type Finding = DoctorFinding<FindingId>;

export function finding(id: FindingId, seen: string, fix: string): Finding {
  return { id, severity: FINDINGS[id], seen, fix };
}

/** Several directories may hold files of one name, and root's home an earlier one: none may be overwritten. */
export const moveAway = (words: string): string => `mv --backup=numbered ${words} /root/`;

/** Cuts long lists: the fix is the same for all names. */
export function listed(names: readonly string[], most = 5): string {
  const rest = names.length - most;
  return rest > 0 ? `${names.slice(0, most).join(', ')} and ${rest} more` : names.join(', ');
}

/** Permission bits as chmod(1) takes them. */
export function octal(mode: number): string {
  return mode.toString(8).padStart(4, '0');
}
