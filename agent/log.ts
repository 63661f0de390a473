/**
 * The log: one line of `key=value` per event, on standard error. journald reads a leading `<6>` as the priority.
 * Values are facts (names, codes, digests), never a PEM, a whole command or a whole answer.
 */
import { type JournalLevel, withPriority } from '#common/cli/streams.ts';
import { escapedJson, printable } from '#common/printable.ts';

/** All events with their levels. docs/agent-codes.md lists them. */
const EVENTS = {
  'agent.started': 'info',
  'agent.stopped': 'info',
  'manifest.changed': 'info',
  'manifest.unchanged': 'info',
  'manifest.failed': 'error',
  'haproxy.unreachable': 'error',
  'haproxy.reloaded': 'info',
  'reload.done': 'info',
  'reload.failed': 'error',
  'reload.deferred': 'info',
  'reload.in-vain': 'warning',
  'transaction.aborted': 'warning',
  'lock.ignored': 'warning',
  'temp.swept': 'info',
  'state.reset': 'warning',
  'records.failed': 'warning',
  'state.failed': 'error',
  'names.overlap': 'warning',
  'certificate.installed': 'info',
  'certificate.listed': 'info',
  'certificate.loaded': 'info',
  'certificate.proven': 'info',
  'certificate.removed': 'info',
  'certificate.unlisted': 'warning',
  'certificate.replaced': 'warning',
  'copy.deleted': 'info',
  'copy.failed': 'warning',
  'drift.repaired': 'warning',
  'drift.unrepaired': 'warning',
  'staple.loaded': 'info',
  'staple.failed': 'warning',
  'certificate.needs-reload': 'warning',
  'certificate.pending': 'warning',
  'certificate.two-issuers': 'warning',
  'certificate.failed': 'error',
  'pem.rejected': 'error',
  'boot.waiting': 'info',
  'boot.last-good': 'warning',
  'placeholder.installed': 'warning',
  'placeholder.removed': 'info',
  'status.reported': 'info',
  'status.failed': 'error',
  'host.condition': 'warning',
  'host.left': 'info',
  'notify.failed': 'warning',
  'metrics.failed': 'warning',
  'watch.failed': 'warning',
  'hook.done': 'info',
  'hook.failed': 'warning',
  'hook.output': 'info',
  'run.finished': 'info',
  'run.failed': 'error',
} as const satisfies Record<string, JournalLevel>;

export type EventName = keyof typeof EVENTS;
export const EVENT_NAMES = Object.keys(EVENTS) as EventName[];

export interface LogFields {
  certificate?: string | undefined;
  file?: string | undefined;
  reason?: string | undefined;
  code?: string | undefined;
  message?: string | undefined;
  [field: string]: string | number | boolean | undefined;
}

export type Log = (event: EventName, fields?: LogFields) => void;

/** @param forJournal begins each line with journald's priority */
export function lineLog(write: (line: string) => void, forJournal: boolean): Log {
  return (event, fields = {}) => {
    const pairs = Object.entries(fields).filter(([, value]) => value !== undefined);
    const text = [['event', event], ...pairs]
      .map(([key, value]) => `${key}=${quote(String(value))}`)
      .join(' ');
    const line = `${text}\n`;
    write(forJournal ? withPriority(line, EVENTS[event]) : line);
  };
}

function quote(value: string): string {
  const isPlain = /^[^\s"=\\]+$/.test(value) && printable(value) === value;
  return isPlain ? value : escapedJson(value);
}
