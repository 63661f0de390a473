/** Colours for a terminal (ECMA-48, SGR). They are added to text that is printable already: none comes from outside. */
import type { WriteStream } from 'node:tty';
import { printableLines } from '#common/printable.ts';

type Paint = (text: string) => string;

const sgr =
  (code: number): Paint =>
  (text) =>
    `\x1b[${code}m${text}\x1b[0m`;
const [bold, dim, red, green, yellow] = [sgr(1), sgr(2), sgr(31), sgr(32), sgr(33)];

/** https://no-color.org: any value but an empty one. */
export function hasColours(
  stream: Pick<WriteStream, 'isTTY'>,
  env: Readonly<Record<string, string | undefined>>,
): boolean {
  return stream.isTTY && !env['NO_COLOR'] && env['TERM'] !== 'dumb';
}

/** @param text of `pemfleet status` */
export function colouredStatus(text: string): string {
  let isTable = false;
  const lines = printableLines(text).split('\n');
  return lines
    .map((line) => {
      const isRow = isTable && /^\S+ {2,}\S/.test(line) && !/^(wrong|unknown|note|fleet)\b/.test(line);
      isTable = line.startsWith('CERTIFICATE ') || isRow;
      return isRow ? colouredRow(line) : colouredLine(line);
    })
    .join('\n');
}

function colouredLine(line: string): string {
  if (line.startsWith('wrong:')) return `${red('wrong:')}${line.slice(6)}`;
  if (line.startsWith('unknown:')) return `${yellow('unknown:')}${line.slice(8)}`;
  if (line.startsWith('note:') || line.startsWith('CERTIFICATE ')) return dim(line);
  if (!line.startsWith('fleet ')) return line;
  return line.endsWith(': all is well') ? green(line) : bold(line);
}

/** The state is its second column. */
function colouredRow(line: string): string {
  return line.replace(/^(\S+ {2,})(\S+)/, (_, name: string, state: string) => {
    const paint = state === 'served' ? green : state === 'published' ? dim : red;
    return `${name}${paint(state)}`;
  });
}

/** @param level of the whole */
export function colouredHeadline(text: string, level: 'note' | 'wrong' | 'unknown'): string {
  const paint = { note: green, wrong: red, unknown: yellow }[level];
  return bold(paint(printableLines(text)));
}
