/** Changes of a text by lines: what nobody changes stays as it is, byte by byte. */

/** Lines that come before the line `at` (from 0; the number of lines: at the end), or that take its place. */
export interface Edit {
  file: string;
  at: number;
  replaces: boolean;
  lines: readonly string[];
}

export const insertion = (file: string, at: number, lines: readonly string[]): Edit => ({
  ...{ file, at, lines },
  replaces: false,
});

export const replacement = (file: string, at: number, line: string): Edit => ({
  ...{ file, at, lines: [line] },
  replaces: true,
});

/** A text's lines without their ends; the empty line after the last end is none. */
export function splitLines(text: string): string[] {
  const lines = text.split('\n');
  if (lines.at(-1) === '') lines.pop();
  return lines.map((line) => line.replace(/\r$/, ''));
}

/** Several edits of one line apply in their order. */
export function applyEdits(text: string, edits: readonly Edit[]): string {
  const end = text.includes('\r\n') ? '\r\n' : '\n';
  const raw = text.split('\n');
  const isEnded = raw.at(-1) === '';
  if (isEnded) raw.pop();
  const out = raw.flatMap((line, index) => {
    const here = edits.filter(({ at }) => at === index);
    const inserted = here.filter(({ replaces }) => !replaces).flatMap(({ lines }) => lines);
    const replaced = here.findLast(({ replaces }) => replaces);
    const tail = line.endsWith('\r') ? '\r' : '';
    const own = replaced === undefined ? [line] : replaced.lines.map((one) => one + tail);
    return [...inserted.map((one) => one + end.slice(0, -1)), ...own];
  });
  const appended = edits.filter(({ at, replaces }) => at >= raw.length && !replaces);
  const last = appended.flatMap(({ lines }) => lines).map((one) => one + end.slice(0, -1));
  const isWhole = isEnded || last.length > 0;
  return [...out, ...last].join('\n') + (isWhole && out.length + last.length > 0 ? '\n' : '');
}
