/** Levels of which a pass does not know all: what it cannot read may be well or not. Pure. */
import type { Level } from './levels.ts';

/** What could not be read at the end of a pass. */
export interface UnreadFacts {
  /** The list of order records. */
  records: boolean;
  /** The manifest of a configured fleet, or of one that is published. */
  manifests: boolean;
  /** The list of the hosts' statuses, or one of them. */
  statuses: boolean;
  /** The summaries of earlier passes, with the calls and the attempts that failed. */
  summaries: boolean;
}

const LEVELS_OF: Readonly<Record<keyof UnreadFacts, readonly Level[]>> = {
  records: ['CertificatesFailing'],
  manifests: [
    'CertificatesExpired',
    'CertificatesOverdue',
    'CertificatesMissing',
    'CertificatesEnding',
    'HostsBehind',
  ],
  statuses: [
    ...(['CertificatesExpired', 'CertificatesEnding', 'HostsBehind', 'HostsSilent', 'HostsMissing'] as const),
    ...(['NeedsReload', 'HostsUnproven', 'DriftReturning'] as const),
  ],
  summaries: ['NotifyFailed', 'CertificatesFailing'],
};

export function incompleteLevels(unread: UnreadFacts): ReadonlySet<Level> {
  const kinds = Object.keys(LEVELS_OF) as (keyof UnreadFacts)[];
  return new Set(kinds.flatMap((kind) => (unread[kind] ? LEVELS_OF[kind] : [])));
}
