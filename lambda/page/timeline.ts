/** When certificates are renewed, and when they would end: the next ones on one axis, and of many all by week. */
import { DAY_MS, spanText } from '#common/time.ts';
import type { PageCertificate, PageFleet } from './facts.ts';
import { html, type Markup } from './markup.ts';
import { relativeMarkup, utcText } from './times.ts';

/** Rows. Of more, weeks say how many. */
const MAX_ROWS = 24;
/** Units of a drawing's width. */
const WIDTH = 1000;
const TICKS = 4;

interface Row {
  name: string;
  renewAt: Date | undefined;
  endAt: Date;
}

export function timelineSection(fleets: readonly PageFleet[], now: Date): Markup | undefined {
  const all = rowsOf(fleets.flatMap(({ certificates }) => certificates));
  if (all.length === 0) return undefined;
  const last = Math.max(
    ...all.slice(0, MAX_ROWS).map(({ endAt }) => endAt.getTime()),
    now.getTime() + DAY_MS,
  );
  const scale = (time: Date) =>
    Math.round((WIDTH * Math.max(0, time.getTime() - now.getTime())) / (last - now.getTime()));
  const rows = all.slice(0, MAX_ROWS).map((row) => rowMarkup(row, scale, now));
  const weeks = all.length > MAX_ROWS && weeksMarkup(all, now);
  const shown = all.length > MAX_ROWS && html` <small>the next ${MAX_ROWS} of ${all.length}</small>`;
  return html`<section aria-labelledby="time"><h2 id="time">Renewals and ends${shown}</h2>${weeks}<div class="axis" aria-hidden="true"><span></span>${axisMarkup(
    last - now.getTime(),
  )}<span></span></div><ul class="line">${rows}</ul><p class="key"><svg viewBox="0 0 12 12" aria-hidden="true"><circle cx="6" cy="6" r="5"/></svg> next renewal; the bar ends when the certificate does</p></section>`;
}

/** One row for each certificate, whatever fleets it is in: what comes first comes first. */
function rowsOf(certificates: readonly PageCertificate[]): Row[] {
  const rows = new Map<string, Row>();
  for (const { name, renewAt, notAfter } of certificates) {
    if (notAfter === undefined) continue;
    const endAt = new Date(notAfter);
    const known = rows.get(name);
    if (known === undefined || endAt < known.endAt) rows.set(name, { name, renewAt, endAt });
  }
  return [...rows.values()].sort((a, b) => nextOf(a) - nextOf(b));
}

const nextOf = ({ renewAt, endAt }: Row) =>
  Math.min(renewAt?.getTime() ?? Number.POSITIVE_INFINITY, endAt.getTime());

function rowMarkup({ name, renewAt, endAt }: Row, scale: (time: Date) => number, now: Date): Markup {
  const end = scale(endAt);
  const at = renewAt === undefined ? undefined : scale(renewAt);
  const ended = endAt <= now;
  const drawing = html`<svg viewBox="0 0 ${WIDTH} 20" preserveAspectRatio="none" aria-hidden="true"><rect class="rail" x="0" y="9" width="${WIDTH}" height="2"/><rect class="life" x="0" y="6" width="${end}" height="8" rx="2"/>${at !== undefined && html`<rect class="due" x="${Math.max(0, Math.min(WIDTH - 8, at - 4))}" y="1" width="8" height="18" rx="3"/>`}</svg>`;
  const due =
    renewAt === undefined
      ? 'renewed by nobody'
      : renewAt <= now
        ? 'renewed in the next pass'
        : html`renewed ${relativeMarkup(renewAt, now)}`;
  return html`<li><span class="name">${name}</span>${drawing}<span class="when">${due}, ${ended ? 'ended' : 'ends'} ${relativeMarkup(endAt, now)}</span></li>`;
}

function axisMarkup(spanMs: number): Markup {
  const ticks = Array.from({ length: TICKS + 1 }, (_, index) =>
    index === 0 ? 'now' : spanText((spanMs * index) / TICKS),
  );
  return html`<span class="ticks">${ticks.map((tick) => html`<span>${tick}</span>`)}</span>`;
}

/** Of all: how many in each week. */
function weeksMarkup(rows: readonly Row[], now: Date): Markup {
  const counts = new Map<number, number>();
  for (const { renewAt } of rows) {
    if (renewAt === undefined) continue;
    const week = Math.max(0, Math.floor((renewAt.getTime() - now.getTime()) / (7 * DAY_MS)));
    counts.set(week, (counts.get(week) ?? 0) + 1);
  }
  const weeks = [...counts].sort(([a], [b]) => a - b).slice(0, 53);
  const most = Math.max(1, ...weeks.map(([, count]) => count));
  const items = weeks.map(([week, count]) => {
    const from = new Date(now.getTime() + week * 7 * DAY_MS);
    const width = Math.max(4, Math.round((WIDTH * count) / most));
    return html`<li><span class="name">${week === 0 ? 'within a week' : `from ${utcText(from).slice(0, 10)}`}</span><svg viewBox="0 0 ${WIDTH} 20" preserveAspectRatio="none" aria-hidden="true"><rect class="due" x="0" y="4" width="${width}" height="12" rx="2"/></svg><span class="when">${count} renewals</span></li>`;
  });
  return html`<details class="more"><summary>Renewals by week</summary><ul class="line">${items}</ul></details>`;
}
