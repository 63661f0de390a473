/** Text for a terminal, in columns. */
import { printable } from './printable.ts';

/** Of the width of a table, its first column takes so much at most. */
const FIRST_SHARE = 0.4;
/** Of the last column, at least so many characters stay. */
const MIN_LAST = 8;

/**
 * Makes each cell printable: none breaks out of its row. Pads each column to its widest cell; two spaces between columns, none at the end of a
 * line. The first row is the head.
 * @param width in characters: the first column and the last one are cut so that no line is longer
 */
export function table(cells: readonly (readonly string[])[], width = Number.POSITIVE_INFINITY): string {
  const rows = cells.map((row) => row.map(printable));
  const widths: number[] = [];
  for (const row of rows) {
    for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, cell.length);
  }
  widths[0] = Math.min(widths[0] ?? 0, Math.floor(width * FIRST_SHARE));
  const last = widths.length - 1;
  const others = widths.slice(0, last).reduce((sum, one) => sum + one + 2, 0);
  if (last > 0) widths[last] = Math.min(widths[last] ?? 0, Math.max(MIN_LAST, width - others));
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) => cut(cell, widths[column] ?? 0).padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd();
  return rows.map((row) => `${line(row)}\n`).join('');
}

function cut(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, Math.max(0, width - 1))}…`;
}
