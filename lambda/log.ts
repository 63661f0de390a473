/** What the issuing side says, one event a fact; told by the storyboards only (docs/events.md lists them). */

export type EventName =
  | 'run.started'
  | 'certificate.due'
  | 'certificate.kept'
  | 'certificate.deferred'
  | 'order.created'
  | 'order.resumed'
  | 'order.abandoned'
  | 'challenge.presented'
  | 'challenge.leftover'
  | 'certificate.issued'
  | 'manifest.published'
  | 'certificate.failed'
  | 'run.finished';

export type Fields = Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>;
export type Log = (event: EventName, fields?: Fields) => void;

/** JSON lines, for CloudWatch and machines. */
export function jsonLog(write: (line: string) => void, now: () => Date): Log {
  return (event, fields) => {
    const level = event.endsWith('.failed') ? 'ERROR' : event === 'challenge.leftover' ? 'WARN' : 'INFO';
    write(`${JSON.stringify({ timestamp: now().toISOString(), level, message: event, ...fields })}\n`);
  };
}

/** `12:00:01 certificate.issued certificate=www.example.com serial=…`, for people. */
export function textLog(write: (line: string) => void, now: () => Date): Log {
  return (event, fields = {}) => {
    const time = now().toISOString().slice(11, 19);
    const pairs = Object.entries(fields).flatMap(([name, value]) =>
      value === undefined ? [] : `${name}=${quoted(value)}`,
    );
    write(`${[time, event, ...pairs].join(' ')}\n`);
  };
}

function quoted(value: NonNullable<Fields[string]>): string {
  const text = Array.isArray(value) ? value.join(',') : String(value);
  return /[\s"]/.test(text) ? JSON.stringify(text) : text;
}
