/** The events of the issuing side, one per fact; only the storyboards log them (docs/events.md lists them). */

export type EventName =
  | 'run.started'
  | 'command.answered'
  | 'issuer.refused'
  | 'clock.off'
  | 'fleets.unlisted'
  | 'certificate.unconfigured'
  | 'certificate.superseded'
  | 'certificate.withdrawn'
  | 'certificate.due'
  | 'certificate.kept'
  | 'certificate.deferred'
  | 'renewal-info.changed'
  | 'renewal-info.failed'
  | 'account.created'
  | 'account.contact'
  | 'account.contact-failed'
  | 'ca.paused'
  | 'ca.refused'
  | 'limit.burst'
  | 'ca.unreachable'
  | 'ca.forbidden'
  | 'order.created'
  | 'order.resumed'
  | 'order.abandoned'
  | 'challenge.presented'
  | 'challenge.leftover'
  | 'chain.not-offered'
  | 'ocsp.fetched'
  | 'ocsp.revoked'
  | 'ocsp.failed'
  | 'certificate.issued'
  | 'certificate.revoked'
  | 'certificate.rolled-back'
  | 'certificate.imported'
  | 'manifest.published'
  | 'manifest.merged'
  | 'manifest.refused'
  | 'version-1.held'
  | 'version-1.failed'
  | 'keys.failed'
  | 'signing-key.claimed'
  | 'signing-key.unknown'
  | 'manifest.foreign'
  | 'pem.lost'
  | 'pem.restored'
  | 'pem.unchecked'
  | 'names.moving'
  | 'names.lost'
  | 'shard.lost'
  | 'shard.unchecked'
  | 'manifest.signed'
  | 'manifest.restored'
  | 'manifest.failed'
  | 'history.failed'
  | 'audit.failed'
  | 'tidy.failed'
  | 'garbage.deleted'
  | 'key.erased'
  | 'certificate.failed'
  | 'fleet.notified'
  | 'fleet.recovering'
  | 'notify.failed'
  | 'probe.failed'
  | 'probe.wrong'
  | 'status.unreadable'
  | 'status.failed'
  | 'notify.result'
  | 'level.risen'
  | 'levels.failed'
  | 'notice.sent'
  | 'notice.failed'
  | 'notice.dropped'
  | 'notice.output'
  | 'schedule.rare'
  | 'replacement.progress'
  | 'replacement.failed'
  | 'hold.broken'
  | 'hold.unreadable'
  | 'revocation.waiting'
  | 'revocation.failed'
  | 'status-page.written'
  | 'status-page.failed'
  | 'first-pass.failed'
  | 'run.finished';

export type Fields = Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>;
export type Log = (event: EventName, fields?: Fields) => void;

const WARNINGS: ReadonlySet<EventName> = new Set([
  'keys.failed',
  'signing-key.claimed',
  'signing-key.unknown',
  'issuer.refused',
  'clock.off',
  'fleets.unlisted',
  'manifest.foreign',
  'pem.lost',
  'pem.unchecked',
  'names.lost',
  'shard.lost',
  'shard.unchecked',
  'challenge.leftover',
  'chain.not-offered',
  'account.created',
  'account.contact-failed',
  'ca.paused',
  'ca.refused',
  'limit.burst',
  'ca.unreachable',
  'ca.forbidden',
  'renewal-info.failed',
  'ocsp.revoked',
  'ocsp.failed',
  'history.failed',
  'tidy.failed',
  'notify.failed',
  'manifest.refused',
  'version-1.held',
  'version-1.failed',
  'probe.failed',
  'probe.wrong',
  'status.unreadable',
  'status.failed',
  'replacement.failed',
  'hold.broken',
  'hold.unreadable',
  'revocation.failed',
  'status-page.failed',
  'first-pass.failed',
  'schedule.rare',
  'level.risen',
  'levels.failed',
  'notice.failed',
  'notice.dropped',
]);

export function levelOf(event: EventName): 'error' | 'warn' | 'info' | 'debug' {
  if (event === 'certificate.failed' || event === 'manifest.failed' || event === 'audit.failed')
    return 'error';
  // One for each certificate in each pass.
  if (event === 'certificate.kept') return 'debug';
  return WARNINGS.has(event) ? 'warn' : 'info';
}

/** JSON lines, for machines. */
export function jsonLog(write: (line: string, event: EventName) => void, now: () => Date): Log {
  return (event, fields) => {
    const level = levelOf(event).toUpperCase();
    write(`${JSON.stringify({ timestamp: now().toISOString(), level, message: event, ...fields })}\n`, event);
  };
}

/** `12:00:01 certificate.issued certificate=www.example.com serial=…`, for people. */
export function textLog(write: (line: string, event: EventName) => void, now: () => Date): Log {
  return (event, fields = {}) => {
    const time = now().toISOString().slice(11, 19);
    const pairs = Object.entries(fields).flatMap(([name, value]) =>
      value === undefined ? [] : `${name}=${quoted(value)}`,
    );
    write(`${[time, event, ...pairs].join(' ')}\n`, event);
  };
}

function quoted(value: NonNullable<Fields[string]>): string {
  const text = Array.isArray(value) ? value.join(',') : String(value);
  return /[\s"]/.test(text) ? JSON.stringify(text) : text;
}
