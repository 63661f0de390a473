/** Takes the lines that a run has put into a text out of what somebody has made of it since. Pure. */
import { isSectionHead } from './sections.ts';
import { diffLines } from './unified-diff.ts';

/** What the run did at one place: lines of `after` [at, at + count) stand for `old`. */
interface Place {
  at: number;
  count: number;
  old: readonly string[];
}

/**
 * @param before as the run found it @param after as the run left it @param now as it is
 * @returns undefined: a line of the run was changed or taken apart, or somebody's own lines stand in a section of the run
 */
export function withoutLinesOf(before: string, after: string, now: string): string | undefined {
  const { positions, added, lines } = alignmentOf(after, now);
  const ranges = placesOf(before, after).map(({ at, count, old }) => ({
    ...rangeOf(positions, { at, count }, lines.length),
    old,
  }));
  const isWhole = ranges.every(({ from, to }) => from !== undefined && to !== undefined);
  if (!isWhole) return undefined;
  const isOfRun = (index: number) => ranges.some(({ from = 0, to = 0 }) => from <= index && index < to);
  const isUnderRun = added.some((index) => {
    const head = lines.findLastIndex((line, at) => at <= index && isSectionHead(line));
    return /^\s*[^\s#]/.test(lines[index] ?? '') && isOfRun(head);
  });
  if (isUnderRun) return undefined;
  const out = lines.flatMap((line, index) => [
    ...ranges.filter(({ from }) => from === index).flatMap(({ old }) => old),
    ...(isOfRun(index) ? [] : [line]),
  ]);
  out.push(...ranges.filter(({ from }) => from === lines.length).flatMap(({ old }) => old));
  // What was the last line had perhaps no end.
  const isLast = (index: number) => index === out.length - 1;
  return out.map((line, index) => (isLast(index) || line.endsWith('\n') ? line : `${line}\n`)).join('');
}

function placesOf(before: string, after: string): Place[] {
  const places: { at: number; count: number; old: string[] }[] = [];
  let at = 0;
  let isOpen = false;
  for (const { sign, line } of diffLines(before, after)) {
    if (sign !== ' ' && !isOpen) places.push({ at, count: 0, old: [] });
    isOpen = sign !== ' ';
    const place = places.at(-1);
    if (sign === '-') place?.old.push(line);
    if (sign === '+' && place !== undefined) place.count += 1;
    if (sign !== '-') at += 1;
  }
  return places;
}

/** Where each line of `after` is now; lines that are new; all of them. */
function alignmentOf(after: string, now: string) {
  const positions: (number | undefined)[] = [];
  const added: number[] = [];
  const lines: string[] = [];
  for (const { sign, line } of diffLines(after, now)) {
    if (sign === '-') positions.push(undefined);
    if (sign === ' ') positions.push(lines.length);
    if (sign === '+') added.push(lines.length);
    if (sign !== '-') lines.push(line);
  }
  return { positions, added, lines };
}

/** Lines that the run has only taken out stand between the same neighbours. @returns nothing: they are not together any more */
function rangeOf(
  positions: readonly (number | undefined)[],
  { at, count }: Omit<Place, 'old'>,
  end: number,
): { from?: number; to?: number } {
  const first = count === 0 ? at - 1 : at;
  const wanted = count === 0 ? 2 : count;
  const seen = Array.from({ length: wanted }, (_, index) => {
    if (first + index < 0) return -1;
    return first + index === positions.length ? end : positions[first + index];
  });
  const [start] = seen;
  if (start === undefined || seen.some((one, index) => one !== start + index)) return {};
  return count === 0 ? { from: start + 1, to: start + 1 } : { from: start, to: start + count };
}
