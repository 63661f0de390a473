/** Names × hosts: the serial as published and proved, and how old the proof is; the worst first. */
import type { StatusLine } from '../status/status-line.ts';
import { type ColumnCell, columnCell, columnsOf, type HostColumn, packedProofs } from './columns.ts';
import type { PageCertificate, PageFleet } from './facts.ts';
import { isServed, numberOf } from './headline.ts';
import { html, type Markup } from './markup.ts';
import { ageMarkup, relativeMarkup, utcText } from './times.ts';

/** Rows that a page draws at once. The rest waits in a template, which costs a browser next to nothing. */
const DRAWN = 150;
/** Beyond these, a page would be no page. */
const MAX_ROWS = 10_000;
/** Names of one certificate, and of one in a large fleet. */
const [MAX_NAMES, FEW_NAMES] = [100, 6];
const LARGE = 200;

const KEY =
  '✓ 3 h ago: serves what is published, as a TLS handshake has shown 3 h ago. ✕ serves something else, or nothing. ? has not reported for hours.';

interface View {
  fleet: PageFleet;
  columns: readonly HostColumn[];
  /** By certificate: the first is the worst. */
  wrong: ReadonlyMap<string, StatusLine>;
  now: Date;
}

/** @param lines of the fleet, the worst first */
export function matrixSection(fleet: PageFleet, lines: readonly StatusLine[], now: Date): Markup {
  const wrong = new Map<string, StatusLine>();
  for (const line of lines) {
    if (line.certificate === undefined || line.level === 'note') continue;
    if (!wrong.has(line.certificate)) wrong.set(line.certificate, line);
  }
  const view = { fleet, columns: columnsOf(fleet), wrong, now };
  const rows = sortedRows(view).map((one) => rowMarkup(one, view));
  const [drawn, kept] = [rows.slice(0, DRAWN), rows.slice(DRAWN, MAX_ROWS)];
  const id = `fleet-${fleet.fleet}`;
  const counts = `${numberOf(fleet.certificates.length, 'certificate')}, ${numberOf(fleet.hosts.length, 'host')}`;
  const isGrouped = view.columns.some(({ members }) => members.length > 1);
  const names = isGrouped && html` data-hosts="${fleet.hosts.map(({ host }) => host).join(' ')}"`;
  return html`<section aria-labelledby="${id}"><h2 id="${id}">Fleet ${fleet.fleet} <small>${counts}</small></h2>${isGrouped && groupList(view)}<table role="table" aria-labelledby="${id}"${names}><thead role="rowgroup"><tr role="row">${headCells(
    view.columns,
  )}</tr></thead><tbody role="rowgroup">${drawn}</tbody></table>${kept.length > 0 && keptMarkup(kept, rows.length)}<p class="key">${KEY}</p></section>`;
}

function keptMarkup(kept: readonly Markup[], all: number): Markup {
  const beyond = all - DRAWN - kept.length;
  const note = beyond > 0 && html` <code>pemfleet status --json</code> has ${beyond} more.`;
  return html`<template>${kept}</template><p class="all"><button type="button" hidden>Show all ${numberOf(DRAWN + kept.length, 'certificate')}</button><noscript>${kept.length} more certificates need JavaScript, which this page carries.</noscript>${note}</p>`;
}

/** What differs comes first, then what ends first. */
function sortedRows({ fleet, wrong }: View): PageCertificate[] {
  const order = [...wrong.keys()];
  const rank = (one: PageCertificate) => {
    const place = order.indexOf(one.name);
    if (place !== -1) return place;
    return isServed(one) ? order.length + 1 : order.length;
  };
  const ranked = fleet.certificates.map((one) => ({
    one,
    rank: rank(one),
    end: one.renewAt?.toISOString() ?? one.notAfter ?? '',
  }));
  return ranked.sort((a, b) => a.rank - b.rank || (a.end < b.end ? -1 : 1)).map(({ one }) => one);
}

function headCells(columns: readonly HostColumn[]): Markup {
  const hosts = columns.map(
    ({ title, isSilent }) =>
      html`<th role="columnheader" scope="col">${title}${isSilent && html` <small>silent</small>`}</th>`,
  );
  const head = (title: string) => html`<th role="columnheader" scope="col">${title}</th>`;
  return html`${head('Certificate')}${head('Serial')}${hosts}${head('Next renewal')}${head('Expires')}`;
}

function rowMarkup(one: PageCertificate, view: View): Markup {
  const { columns, wrong, now } = view;
  const line = wrong.get(one.name);
  const state = line === undefined ? (isServed(one) ? '' : 'note') : line.level;
  const cells = columns.map((column) => cellMarkup(columnCell(one.cells, column), column.title));
  const label = (title: string, text: Markup | string) =>
    html`<td role="cell" data-l="${title}">${text}</td>`;
  const renewal = one.renewAt === undefined ? html`<i>by nobody</i>` : renewalMarkup(one.renewAt, now);
  const serials = one.serials.map((serial) => html`<code title="${serial}">${shortSerial(serial)}</code> `);
  const end = one.notAfter === undefined ? '–' : relativeMarkup(one.notAfter, now);
  return html`<tr role="row"${state !== '' && html` class="${state}"`}><th role="rowheader" scope="row">${nameMarkup(one, line, view)}</th>${label(
    'Serial',
    serials.length === 0 ? '–' : html`${serials}`,
  )}${cells}${label('Next renewal', one.serials.length === 0 ? '–' : renewal)}${label('Expires', end)}</tr>`;
  function cellMarkup(cell: ColumnCell, title: string): Markup {
    return html`<td role="cell" data-l="${title}" class="${classOf(cell)}">${cellText(cell, now)}</td>`;
  }
}

const classOf = ({ state, served, all }: ColumnCell) =>
  state === 'served' || (all > 0 && served === all) ? 'y' : state === 'unknown' ? 'u' : 'n';

function cellText({ state, served, all, serial, provenAt }: ColumnCell, now: Date): Markup {
  const age = provenAt === undefined ? undefined : ageMarkup(provenAt, now);
  const proof = age && (all > 1 ? html`within ${age}` : html`${age} ago`);
  if (state === 'served') return proof ?? html`served, unproven`;
  if (state === undefined) return html`${served} of ${all}`;
  if (state === 'unknown')
    return proof === undefined ? html`unknown` : html`unknown <small>proved ${proof}</small>`;
  const has =
    serial !== undefined && html` <small>has <code title="${serial}">${shortSerial(serial)}</code></small>`;
  return html`${state}${has}`;
}

function renewalMarkup(renewAt: Date, now: Date): Markup {
  return renewAt <= now ? html`in the next pass` : relativeMarkup(renewAt, now);
}

/** A serial of 160 bits says no more than its end; the whole one is in the row's details. */
const shortSerial = (serial: string) => (serial.length > 10 ? `…${serial.slice(-8)}` : serial);

function nameMarkup(one: PageCertificate, line: StatusLine | undefined, { fleet, now }: View): Markup {
  const { name, identifiers, serials, keyTypes, origin, publishedAt } = one;
  const most = fleet.certificates.length > LARGE ? FEW_NAMES : MAX_NAMES;
  const more = identifiers.length - most;
  const names = `${identifiers.slice(0, most).join(', ')}${more > 0 ? `, and ${more} more` : ''}`;
  const facts: [string, Markup | string][] = [
    ['Names', names],
    ...(serials.length > 0 ? [['Serial', serials.join(', ')] as [string, string]] : []),
    ...(origin === '' ? [] : [['From', `${origin}, ${keyTypes.join(' and ')}`] as [string, string]]),
    ...(publishedAt === undefined ? [] : [['Published', utcText(publishedAt)] as [string, string]]),
  ];
  const list = facts.map(([term, text]) => html`<dt>${term}</dt><dd>${text}</dd>`);
  const packed = packedProofs(one.cells, now);
  const badge = line !== undefined && html` <span class="badge">${line.code}</span>`;
  return html`<details data-p="${packed}"><summary>${name}${badge}</summary><dl>${list}</dl></details>`;
}

function groupList({ fleet, columns }: View): Markup {
  const items = columns.map((column) => {
    const { title, members } = column;
    const hosts = members.map((index) => fleet.hosts[index]?.host ?? '');
    const says = saysOf(column);
    return html`<li><details><summary>${title} <small>${says}</small></summary><p>${hosts.join(', ')}</p></details></li>`;
  });
  return html`<ul class="groups">${items}</ul>`;
}

function saysOf({ isSilent, differences }: HostColumn): string {
  if (isSilent) return 'silent for hours';
  return differences === 0
    ? 'serve all that is published'
    : `differ in ${numberOf(differences, 'certificate')}`;
}
