/** What differs between two texts, as diff -u prints it: for people to read, and for patch(1). */

const CONTEXT = 3;
/** Of cells in the table of common lines: beyond, the middle is one change. */
const MAX_CELLS = 4_000_000;

interface DiffLine {
  sign: ' ' | '-' | '+';
  /** With its end. */
  line: string;
}

/** @returns empty where the texts are equal */
export function unifiedDiff(file: string, before: string, after: string): string {
  if (before === after) return '';
  const lines = diffLines(before, after);
  const head = `--- ${file}\n+++ ${file}\n`;
  return (
    head +
    hunksOf(lines)
      .map((hunk) => hunkText(lines, hunk))
      .join('')
  );
}

/** A last line without an end is another line than the same one with an end. */
const linesWithEnds = (text: string): string[] => text.match(/[^\n]*\n|[^\n]+$/g) ?? [];

/** All lines of both texts. */
export function diffLines(oldText: string, newText: string): DiffLine[] {
  const [before, after] = [linesWithEnds(oldText), linesWithEnds(newText)];
  let head = 0;
  while (head < before.length && head < after.length && before[head] === after[head]) head += 1;
  let tail = 0;
  const most = Math.min(before.length, after.length) - head;
  while (tail < most && before[before.length - 1 - tail] === after[after.length - 1 - tail]) tail += 1;
  const as = (sign: DiffLine['sign'], lines: readonly string[]) => lines.map((line) => ({ sign, line }));
  return [
    ...as(' ', before.slice(0, head)),
    ...middleOf(before.slice(head, before.length - tail), after.slice(head, after.length - tail)),
    ...as(' ', before.slice(before.length - tail)),
  ];
}

function middleOf(before: readonly string[], after: readonly string[]): DiffLine[] {
  const isLarge = before.length * after.length > MAX_CELLS;
  const common = isLarge ? undefined : commonLengths(before, after);
  const lines: DiffLine[] = [];
  let [left, right] = [0, 0];
  while (left < before.length || right < after.length) {
    const isSame = before[left] === after[right] && common !== undefined;
    if (isSame && left < before.length) {
      lines.push({ sign: ' ', line: before[left++] ?? '' });
      right += 1;
      continue;
    }
    const down = common?.[left + 1]?.[right] ?? 0;
    const across = common?.[left]?.[right + 1] ?? 0;
    if (left < before.length && (right === after.length || down >= across)) {
      lines.push({ sign: '-', line: before[left++] ?? '' });
    } else lines.push({ sign: '+', line: after[right++] ?? '' });
  }
  return lines;
}

/** Length of the longest common subsequence of what follows both positions. */
function commonLengths(before: readonly string[], after: readonly string[]): number[][] {
  const table = Array.from({ length: before.length + 1 }, () => new Array<number>(after.length + 1).fill(0));
  for (let left = before.length - 1; left >= 0; left--) {
    for (let right = after.length - 1; right >= 0; right--) {
      const [row = [], next = []] = [table[left], table[left + 1]];
      row[right] =
        before[left] === after[right]
          ? (next[right + 1] ?? 0) + 1
          : Math.max(next[right] ?? 0, row[right + 1] ?? 0);
    }
  }
  return table;
}

/** Ranges of lines, with their context. */
function hunksOf(lines: readonly DiffLine[]): [number, number][] {
  const hunks: [number, number][] = [];
  for (const [index, { sign }] of lines.entries()) {
    if (sign === ' ') continue;
    const range: [number, number] = [
      Math.max(0, index - CONTEXT),
      Math.min(lines.length, index + CONTEXT + 1),
    ];
    const last = hunks.at(-1);
    if (last !== undefined && range[0] <= last[1]) last[1] = range[1];
    else hunks.push(range);
  }
  return hunks;
}

function hunkText(lines: readonly DiffLine[], [from, to]: [number, number]): string {
  const rows = lines.slice(from, to);
  const rangeOf = (sign: '-' | '+') => {
    const isOf = (one: DiffLine) => one.sign === ' ' || one.sign === sign;
    const count = rows.filter(isOf).length;
    const before = lines.slice(0, from).filter(isOf).length;
    return `${count === 0 ? before : before + 1},${count}`;
  };
  const text = rows.map(({ sign, line }) =>
    line.endsWith('\n') ? `${sign}${line}` : `${sign}${line}\n\\ No newline at end of file\n`,
  );
  return `@@ -${rangeOf('-')} +${rangeOf('+')} @@\n${text.join('')}`;
}
