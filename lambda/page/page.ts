/**
 * The page that an operator shows around: one file that loads nothing and sends nothing. The sentence first, what is wrong with its cure, the
 * table, the timeline, what has happened. Pure.
 */
import { createHash } from 'node:crypto';
import { PEMFLEET_VERSION } from '#contract/version.ts';
import type { AuditLine } from '../audit/line.ts';
import type { StatusLevel } from '../status/status-line.ts';
import type { WholeStatus } from '../status/whole-status.ts';
import type { PageFleet } from './facts.ts';
import { headline, nextRenewal, numberOf } from './headline.ts';
import { driftSection, historySection } from './history.ts';
import { html, Markup } from './markup.ts';
import { matrixSection } from './matrix.ts';
import { noteSection, problemSection } from './problems.ts';
import { SCRIPT } from './script.ts';
import { STYLE } from './style.ts';
import { timelineSection } from './timeline.ts';
import { ageMarkup, relativeMarkup, utcText } from './times.ts';

export interface PageFacts {
  status: WholeStatus;
  fleets: readonly PageFleet[];
  /** The last lines of the audit trail, the newest last. */
  history: readonly AuditLine[];
}

const hashOf = (text: string) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
/** Nothing but this style and this script, and no address at all. */
const POLICY = [
  "default-src 'none'",
  `style-src ${hashOf(STYLE)}`,
  `script-src ${hashOf(SCRIPT)}`,
  'img-src data:',
  "base-uri 'none'",
  "form-action 'none'",
].join('; ');

const LEVEL_WORDS: Readonly<Record<StatusLevel, string>> = {
  note: 'all is well',
  wrong: 'something is wrong',
  unknown: 'cannot tell',
};
const ICON_COLOURS: Readonly<Record<StatusLevel, string>> = {
  note: '1b7242',
  wrong: 'b3261e',
  unknown: 'b07a00',
};

export function renderPage({ status, fleets, history }: PageFacts): string {
  const { at, level, lines } = status;
  const sentence = headline({ level, lines, fleets, now: at });
  const reports = status.fleets.map(({ report }) => report);
  const matrices = fleets.map((fleet) =>
    matrixSection(fleet, status.fleets.find(({ report }) => report.fleet === fleet.fleet)?.lines ?? [], at),
  );
  const icon = `data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 8 8'%3E%3Ccircle cx='4' cy='4' r='4' fill='%23${ICON_COLOURS[level]}'/%3E%3C/svg%3E`;
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${new Markup(POLICY)}">
<meta name="viewport" content="width=device-width,initial-scale=1">
<meta name="referrer" content="no-referrer"><meta name="robots" content="noindex">
<title>pemfleet: ${LEVEL_WORDS[level]}</title>
<link rel="icon" href="${icon}">
<style>${new Markup(STYLE)}</style>
</head>
<body data-at="${at.toISOString()}">
<p id="old" role="status" hidden></p>
<header>
<p class="brand"><span class="dot ${level}"></span><b>pemfleet</b> ${LEVEL_WORDS[level]} · ${utcText(at)}</p>
<h1>${sentence}</h1>
${tilesMarkup(fleets, at)}
</header>
<main>
${problemSection(lines, at)}
${fleets.some(({ certificates }) => certificates.length > DRAWN_WITHOUT_FILTER) && FILTER}
${matrices}
${timelineSection(fleets, at)}
${driftSection(reports, at)}
${noteSection(lines)}
${historySection(history, at)}
</main>
<footer>Written by pemfleet ${PEMFLEET_VERSION}, from what the hosts have reported by ${utcText(at)}. A proof is a TLS handshake that has shown the certificate. This page loads nothing and sends nothing.</footer>
<script>${new Markup(SCRIPT)}</script>
</body>
</html>
`.text;
}

/** A table of so few rows is read faster than filtered. */
const DRAWN_WITHOUT_FILTER = 12;
const FILTER = html`<div class="find" role="search" hidden><label for="find">Find a certificate, a name, a serial</label><input id="find" type="search" autocomplete="off"><small id="hits" role="status"></small></div>`;

function tilesMarkup(fleets: readonly PageFleet[], now: Date): Markup {
  const certificates = fleets.flatMap((fleet) => fleet.certificates);
  const hosts = fleets.flatMap((fleet) => fleet.hosts);
  const proofs = certificates.flatMap(({ cells }) => cells.flatMap(({ provenAt }) => provenAt ?? []));
  const oldest = proofs.reduce((least, proof) => (proof < least ? proof : least), proofs[0] ?? '');
  const next = nextRenewal(fleets);
  const ends = certificates.flatMap(({ name, notAfter }) =>
    notAfter === undefined ? [] : [{ name, notAfter }],
  );
  const [first] = ends.sort((a, b) => (a.notAfter < b.notAfter ? -1 : 1));
  const silent = hosts.filter(({ isSilent }) => isSilent).length;
  const tile = (title: string, value: Markup | string, more: string) =>
    html`<div><dt>${title}</dt><dd>${value}<small>${more}</small></dd></div>`;
  const count = new Set(certificates.map(({ name }) => name)).size;
  return html`<dl class="tiles">${tile('Certificates', count.toLocaleString('en-US'), `in ${numberOf(fleets.length, 'fleet')}`)}${tile(
    'Hosts',
    `${hosts.length}`,
    silent === 0 ? 'all report' : `${silent} silent`,
  )}${tile('Oldest proof', oldest === '' ? '–' : ageMarkup(oldest, now), oldest === '' ? 'no handshake yet' : 'by handshake')}${tile(
    'Next renewal',
    next === undefined ? '–' : next.at <= now ? 'now' : relativeMarkup(next.at, now),
    next?.name ?? '',
  )}${tile('Next expiry', first === undefined ? '–' : relativeMarkup(first.notAfter, now), first?.name ?? '')}</dl>`;
}
