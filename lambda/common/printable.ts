/**
 * Text from outside, made harmless for a log line or a terminal: control characters (C0, DEL, C1), what turns the direction of
 * writing or cannot be seen (Unicode's Cf), separators of lines and paragraphs, halves of characters.
 */
const UNPRINTABLE = /[\p{C}\p{Zl}\p{Zp}]+/gu;

/** One line: each run of such characters becomes one space, so that none of them acts. */
export function printable(text: string): string {
  return text.replaceAll(UNPRINTABLE, ' ');
}

/** As `printable`, for text of our own with lines. A tab acts on nothing, and a diff is wrong without it. */
export function printableLines(text: string): string {
  return text.replaceAll(/[^\n\t]+/g, printable);
}

/** JSON that loses nothing: JSON.stringify escapes C0 only, the others are escaped here. */
export function escapedJson(value: unknown, indent?: number): string {
  const codesOf = (run: string) =>
    run.replaceAll(/[^\n]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
  return JSON.stringify(value, null, indent).replaceAll(UNPRINTABLE, codesOf);
}
