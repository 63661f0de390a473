/** `pemfleet status --watch`: the status, live in the terminal; with `--json`, one line for each look. */
import { setTimeout as sleep } from 'node:timers/promises';
import { escapedJson, printable, printableLines } from '#common/printable.ts';
import { MINUTE_MS, SECOND_MS } from '#common/time.ts';
import { headline } from '../../page/headline.ts';
import type { PageFacts } from '../../page/page.ts';
import { utcText } from '../../page/times.ts';
import { now, print, terminalWidth } from '../command.ts';
import { type CommandValues, UsageError } from '../line/options.ts';
import { EXIT } from '../output.ts';
import { colouredHeadline, colouredStatus, hasColours } from './colours.ts';
import { Screen } from './screen.ts';

export interface Watched {
  read: () => Promise<PageFacts>;
  /** For `--json`. */
  documentOf: (facts: PageFacts) => object;
  /** As `pemfleet status` prints it. */
  textOf: (facts: PageFacts) => string;
}

/** @throws UsageError where there is no terminal, and nobody has asked for lines of JSON */
export async function watchStatus(values: CommandValues, watched: Watched): Promise<number> {
  const intervalMs = intervalOf(values.interval ?? '10s');
  if (values.json) return writeLines(watched, intervalMs);
  if (!process.stdout.isTTY) {
    throw new UsageError('--watch wants a terminal, saw none: --json with it prints a line for each look');
  }
  return drawAgain(watched, intervalMs);
}

async function writeLines({ read, documentOf }: Watched, intervalMs: number): Promise<never> {
  const gone = new AbortController();
  process.stdout.once('error', () => gone.abort());
  while (!gone.signal.aborted) {
    print(`${escapedJson(documentOf(await read()))}\n`);
    await sleep(intervalMs, undefined, { signal: gone.signal }).catch(() => undefined);
  }
  return process.exit();
}

async function drawAgain({ read, textOf }: Watched, intervalMs: number): Promise<number> {
  const screen = new Screen(process.stdout, process.stdin);
  let last: PageFacts | undefined;
  const draw = () => screen.draw(last === undefined ? ['…'] : frameOf(last, textOf(last), intervalMs));
  screen.open(draw);
  draw();
  try {
    while (!screen.ended.aborted) {
      const facts = await Promise.race([read(), endOf(screen.ended)]);
      if (facts === undefined) break;
      last = facts;
      draw();
      await sleep(intervalMs, undefined, { signal: screen.ended }).catch(() => undefined);
    }
  } finally {
    screen.close();
  }
  // A look that is on its way is nobody's any more.
  return process.exit(EXIT.ok);
}

const endOf = (signal: AbortSignal) =>
  new Promise<undefined>((resolve) =>
    signal.addEventListener('abort', () => resolve(undefined), { once: true }),
  );

/** What is wrong stands first: what does not fit is counted. */
function frameOf(facts: PageFacts, text: string, intervalMs: number): string[] {
  const { status, fleets } = facts;
  const { level, lines, at } = status;
  const sentence = printable(headline({ level, lines, fleets, now: at }));
  const [width, height] = [terminalWidth(), process.stdout.rows || 24];
  const cut = (line: string) => (line.length <= width ? line : `${line.slice(0, width - 1)}…`);
  const body = printableLines(text).trimEnd().split('\n').map(cut);
  const room = Math.max(1, height - 4);
  const shown = body.length <= room ? body : body.slice(0, room - 1);
  const more = body.length - shown.length;
  const isColoured = hasColours(process.stdout, process.env);
  const paint = (given: string) => (isColoured ? colouredStatus(given) : given);
  const time = `${utcText(now())}, again every ${intervalMs / SECOND_MS} s; q or Ctrl-C ends`;
  const rest = more > 0 ? [`… ${more} more lines: pemfleet status has all`] : [];
  const first = isColoured ? colouredHeadline(cut(sentence), level) : cut(sentence);
  return [first, cut(time), '', ...paint(shown.join('\n')).split('\n'), ...rest];
}

/** @throws UsageError */
function intervalOf(text: string): number {
  const [, count = '', unit = 's'] = /^(\d{1,5})([sm]?)$/.exec(text) ?? [];
  const ms = Number(count) * (unit === 'm' ? MINUTE_MS : SECOND_MS);
  if (count !== '' && ms >= SECOND_MS) return ms;
  throw new UsageError(`--interval wants a time such as 10s or 1m, a second at least, saw ${text}`);
}
