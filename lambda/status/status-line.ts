/** What `pemfleet status` says: one line for each thing that is not as it should be, or that an operator wants to know. */

/** The worst first: what stands first is read first. */
const CODES = [
  'unreachable',
  'signing-key',
  'manifest-unreadable',
  'tombstones-unreadable',
  'clock-off',
  'host-error',
  'expired',
  'manifest-lost',
  'missing',
  'failing',
  'trusted-in-force',
  'overdue',
  'behind',
  'condition',
  'issuer-silent',
  'silent',
  'missing-host',
  'status-unreadable',
  'order-unreadable',
  'replacement-unreadable',
  'revocation-unreadable',
  'hold-unreadable',
  'revocation',
  'hold-broken',
  'ending',
  'replacement',
  'unproven',
  'drift',
  'removal',
  'held-back',
  'hold',
  'rolled-back',
  'arriving',
  'no-host',
  'unconfigured',
  'unlisted',
  'ended',
  'left',
  'proofs',
] as const;

export type StatusCode = (typeof CODES)[number];

/** `wrong`: exit status 1; `unknown`: what cannot be read may be wrong, exit status 2; `note`: to be known. */
export type StatusLevel = 'wrong' | 'unknown' | 'note';

export interface StatusLine {
  level: StatusLevel;
  code: StatusCode;
  fleet?: string | undefined;
  host?: string | undefined;
  certificate?: string | undefined;
  /** RFC 3339. */
  since?: string | undefined;
  /** For people, with times as they say them. */
  text: string;
}

export function worstFirst(lines: readonly StatusLine[]): StatusLine[] {
  const rank = ({ code }: StatusLine) => CODES.indexOf(code);
  return [...lines].sort((a, b) => rank(a) - rank(b));
}

/** What is known to be wrong counts more than what is not known. */
export function worstLevel(lines: readonly StatusLine[]): StatusLevel {
  const levels = new Set(lines.map(({ level }) => level));
  return (['wrong', 'unknown'] as const).find((level) => levels.has(level)) ?? 'note';
}

/** What a line is judged by. */
export interface StatusView {
  fleet: string;
  now: Date;
  /** What was published less than so long ago may still be on its way to hosts. */
  graceMs: number;
}
