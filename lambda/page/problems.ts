/** What is wrong, each with its cure, and what else to know. */
import type { StatusCode, StatusLine } from '../status/status-line.ts';
import { cureOf } from './cures.ts';
import { html, type Markup, withCode } from './markup.ts';
import { relativeMarkup } from './times.ts';

/** Of one kind, so many stand open; up to so many more behind a word. */
const [OPEN, FOLDED] = [8, 100];

const TITLES: Readonly<Record<StatusLine['level'], string>> = {
  wrong: 'Wrong',
  unknown: 'Unknown',
  note: 'Note',
};

/** @param lines the worst first */
export function problemSection(lines: readonly StatusLine[], now: Date): Markup | undefined {
  const problems = lines.filter(({ level }) => level !== 'note');
  if (problems.length === 0) return undefined;
  return html`<section aria-labelledby="wrong"><h2 id="wrong">What needs attention</h2>${byCode(problems).map(
    (group) => groupMarkup(group, now),
  )}</section>`;
}

function groupMarkup(group: readonly StatusLine[], now: Date): Markup {
  const [open, folded] = [group.slice(0, OPEN), group.slice(OPEN, OPEN + FOLDED)];
  const rest = group.length - open.length - folded.length;
  const more = rest > 0 ? html`<p>… and ${rest} more: <code>pemfleet status --json</code> has all.</p>` : '';
  const fold = html`<details class="more"><summary>${group.length - open.length} more of this kind</summary><ul class="cards">${folded.map(
    (line) => cardMarkup(line, now),
  )}</ul>${more}</details>`;
  return html`<ul class="cards">${open.map((line) => cardMarkup(line, now))}</ul>${folded.length > 0 && fold}`;
}

function cardMarkup(line: StatusLine, now: Date): Markup {
  const { level, code, fleet, since, text } = line;
  const where = fleet === undefined ? '' : html` · fleet ${fleet}`;
  const when = since === undefined ? '' : html` · since ${relativeMarkup(since, now)}`;
  return html`<li class="card ${level}"><p class="kind"><b>${TITLES[level]}</b> ${code}${where}${when}</p><p class="what">${text}</p><p class="cure"><b>Cure</b> ${withCode(cureOf(line))}</p></li>`;
}

export function noteSection(lines: readonly StatusLine[]): Markup | undefined {
  const notes = lines.filter(({ level }) => level === 'note');
  if (notes.length === 0) return undefined;
  const items = notes.slice(0, FOLDED).map(({ code, text }) => html`<li><b>${code}</b> ${text}</li>`);
  const rest = notes.length - items.length;
  return html`<section aria-labelledby="notes"><h2 id="notes">To know</h2><ul class="notes">${items}${
    rest > 0 && html`<li>… and ${rest} more: <code>pemfleet status --json</code> has all.</li>`
  }</ul></section>`;
}

function byCode(lines: readonly StatusLine[]): StatusLine[][] {
  const groups = new Map<StatusCode, StatusLine[]>();
  for (const line of lines) {
    const group = groups.get(line.code);
    if (group === undefined) groups.set(line.code, [line]);
    else group.push(line);
  }
  return [...groups.values()];
}
