/** Times of a page: as text for the moment it was written, and by the script for the moment it is looked at. */
import { minuteText, spanText } from '#common/time.ts';
import { html, type Markup } from './markup.ts';

/** `in 12 days`, `3 h ago`. */
export function relativeMarkup(time: string | Date, now: Date): Markup {
  const { iso, spanMs } = measure(time, now);
  const text = spanMs < 0 ? `in ${spanText(-spanMs)}` : `${spanText(spanMs)} ago`;
  return html`<time datetime="${iso}" data-t="r" title="${utcText(iso)}">${text}</time>`;
}

/** An age alone: `3 h`. */
export function ageMarkup(time: string | Date, now: Date): Markup {
  const { iso, spanMs } = measure(time, now);
  return html`<time datetime="${iso}" data-t="a">${spanText(Math.max(0, spanMs))}</time>`;
}

/** `2026-11-27 12:00 UTC`. */
export function utcText(time: string | Date): string {
  return `${minuteText(isoOf(time))} UTC`;
}

/** Seconds say nothing here, and cost. */
function isoOf(time: string | Date): string {
  return `${(typeof time === 'string' ? new Date(time) : time).toISOString().slice(0, 16)}Z`;
}

function measure(time: string | Date, now: Date): { iso: string; spanMs: number } {
  return { iso: isoOf(time), spanMs: now.getTime() - new Date(time).getTime() };
}
