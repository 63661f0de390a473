/** What has changed, by the audit trail; and what hosts have found different and repaired. */
import type { Drift } from '#contract/host-status.ts';
import type { AuditLine } from '../audit/line.ts';
import type { FleetReport } from '../fleet/report.ts';
import { html, type Markup } from './markup.ts';
import { relativeMarkup, utcText } from './times.ts';

/** Rows of each table. */
const MAX_ROWS = 24;
/** Names in one row. */
const MAX_NAMED = 3;

/** What one command, or one pass, has done to several certificates is one row. */
interface Change {
  first: AuditLine;
  names: string[];
}

/** @param lines of the trail, the newest last */
export function historySection(lines: readonly AuditLine[], now: Date): Markup | undefined {
  const changes = changesOf(lines).slice(0, MAX_ROWS);
  if (changes.length === 0) return undefined;
  const rows = changes.map((change) => changeMarkup(change, now));
  return html`<section aria-labelledby="history"><h2 id="history">History</h2><ul class="log">${rows}</ul><p class="key">The whole trail: <code>pemfleet audit</code>; of one certificate: <code>pemfleet history NAME</code>.</p></section>`;
}

function changesOf(lines: readonly AuditLine[]): Change[] {
  const changes: Change[] = [];
  for (const line of [...lines].reverse()) {
    const last = changes.at(-1);
    const name = line.certificate ?? '';
    if (last !== undefined && keyOf(last.first) === keyOf(line)) {
      if (!last.names.includes(name)) last.names.push(name);
    } else changes.push({ first: line, names: name === '' ? [] : [name] });
  }
  return changes;
}

const keyOf = ({ at, by, command, action, reason, certificate }: AuditLine) =>
  [at.slice(0, 13), by, command, action, reason, certificate === undefined].join('\n');

function changeMarkup({ first, names }: Change, now: Date): Markup {
  const { at, action, by, host, command, reason, before, after } = first;
  const more = names.length - MAX_NAMED;
  const who = `${names.slice(0, MAX_NAMED).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
  const serials = names.length === 1 && [before, after].some((some) => some !== undefined);
  const change = serials && html` <code>${ends(before)} → ${ends(after)}</code>`;
  return html`<li><span class="at" title="${utcText(at)}">${relativeMarkup(at, now)}</span><span><b>${action}</b> ${who}${change}${reason !== undefined && html` <small>${reason}</small>`}</span><span class="by">${command} <small>${host === undefined ? by : `${by} on ${host}`}</small></span></li>`;
}

const ends = (serials: readonly string[] = []) => serials.map((serial) => serial.slice(-8)).join(' ') || '–';

interface HostDrift {
  host: string;
  drift: Drift;
}

/** Equal ones of several hosts are one. */
export function driftSection(reports: readonly FleetReport[], now: Date): Markup | undefined {
  const all = reports.flatMap(({ hosts }) =>
    hosts.flatMap(({ host, drift }) => drift.map((one): HostDrift => ({ host, drift: one }))),
  );
  const groups = new Map<string, HostDrift[]>();
  for (const one of all) {
    const { kind, file, culprit } = one.drift;
    const key = [kind, file, culprit].join('\n');
    groups.set(key, [...(groups.get(key) ?? []), one]);
  }
  if (groups.size === 0) return undefined;
  const latest = (some: readonly HostDrift[]) =>
    some
      .map(({ drift }) => drift.at)
      .sort()
      .at(-1) ?? '';
  const sorted = [...groups.values()].sort((a, b) => (latest(a) > latest(b) ? -1 : 1)).slice(0, MAX_ROWS);
  const rows = sorted.map((group) => driftMarkup(group, latest(group), now));
  const rest = groups.size - rows.length;
  return html`<section aria-labelledby="drift"><h2 id="drift">Drift <small>found different and repaired, in the last 14 days</small></h2><ul class="log">${rows}</ul>${rest > 0 && html`<p class="key">… and ${rest} more: <code>pemfleet status --json</code> has all.</p>`}</section>`;
}

function driftMarkup(group: readonly HostDrift[], at: string, now: Date): Markup {
  const [first] = group as [HostDrift];
  const { kind, file, culprit } = first.drift;
  const hosts = [...new Set(group.map(({ host }) => host))];
  const more = hosts.length - MAX_NAMED;
  const where = `${hosts.slice(0, MAX_NAMED).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
  const count = group.reduce((sum, { drift }) => sum + drift.count, 0);
  const times = count === 1 ? 'once' : `${count} times`;
  return html`<li><span class="at">${relativeMarkup(at, now)}</span><span><b>${kind}</b> ${file} <small>on ${where}, ${times}</small></span><span class="by">${culprit === undefined ? '' : html`by ${culprit}`}</span></li>`;
}
