/** `pemfleet status`: what is wrong, what is published, and what each host serves, with an exit status for cron. */
import { HOUR_MS, MINUTE_MS, SECOND_MS } from '#common/time.ts';
import { BucketError } from '#contract/errors.ts';
import { type FleetName, fleetName } from '#contract/layout.ts';
import { type Config, configuredFleets } from '../config/config.ts';
import { renderPage } from '../page/page.ts';
import { readPage } from '../page/read-page.ts';
import {
  readWholeStatus,
  type StatusRequest,
  unreachableStatus,
  type WholeStatus,
} from '../status/whole-status.ts';
import {
  type Command,
  clearProgress,
  loadConfigAndBucket,
  now,
  print,
  printColoured,
  printJson,
  printProgress,
  printToStderr,
  terminalWidth,
} from './command.ts';
import { type CommandValues, UsageError } from './line/options.ts';
import { EXIT } from './output.ts';
import { linesText, reportTable } from './report-table.ts';
import { colouredStatus, hasColours } from './view/colours.ts';
import { writePageFile } from './view/page-file.ts';
import { watchStatus } from './view/watch.ts';

const EXIT_OF_LEVEL = { note: EXIT.ok, wrong: EXIT.failed, unknown: EXIT.unknown } as const;
const RESULT_OF_LEVEL = { note: 'ok', wrong: 'wrong', unknown: 'unknown' } as const;

export const statusCommand: Command = async (values) => {
  checkTogether(values);
  if (values.page) return (await import('./view/link.ts')).linkCommand(values, []);
  if (values.watch) {
    return watchStatus(values, {
      read: () => readFor(values, readPage, (status) => ({ status, fleets: [], history: [] })),
      documentOf: ({ status }) => documentOf(status),
      textOf: ({ status }) => textOf(status),
    });
  }
  if (values.html !== undefined) return pageCommand(values, values.html);
  const status = await statusFor(values);
  if (values.json) printJson(documentOf(status));
  else printStatus(textOf(status));
  return EXIT_OF_LEVEL[status.level];
};

/** @throws UsageError */
function checkTogether(values: CommandValues): void {
  const { page, watch, html } = values;
  const meant = [page && '--page', watch && '--watch', html !== undefined && '--html'].filter(Boolean);
  if (values.interval !== undefined && !watch) throw new UsageError('--interval belongs to --watch');
  if (values['expires-in'] !== undefined && !page) throw new UsageError('--expires-in belongs to --page');
  if (meant.length > 1) throw new UsageError(`${meant.join(' and ')} are two commands: give one of them`);
}

function printStatus(text: string): void {
  if (hasColours(process.stdout, process.env)) printColoured(text, colouredStatus);
  else print(text);
}

/** What it says of the fleets is the exit status, as without `--html`. */
async function pageCommand(values: CommandValues, file: string): Promise<number> {
  if (values.json && file === '-')
    throw new UsageError('--html - and --json both want standard output: give --html a file');
  // The file is the user's who types it, and is made when there is a page: root is root again by then.
  const { whileOwnerOfBucket } = await import('./line/local.ts');
  const read = (request: StatusRequest) => whileOwnerOfBucket(request.config.bucket, () => readPage(request));
  const facts = await readFor(values, read, (status) => ({ status, fleets: [], history: [] }));
  const page = renderPage(facts);
  if (file === '-') print(page);
  else await writePageFile(file, page);
  if (values.json) printJson(documentOf(facts.status));
  else if (file !== '-') {
    printToStderr(`${file}: the page, ${Math.ceil(Buffer.byteLength(page) / 1000)} kB\n`);
  }
  return EXIT_OF_LEVEL[facts.status.level];
}

/** As `--fleet` and `--grace` of a command line say. @throws UsageError */
export async function statusFor(values: CommandValues): Promise<WholeStatus> {
  const read = async (request: StatusRequest) => ({ status: await readWholeStatus(request) });
  return (await readFor(values, read, (status) => ({ status }))).status;
}

/** @param unreachable what stands for a bucket that cannot even be opened */
async function readFor<T extends { status: WholeStatus }>(
  values: CommandValues,
  read: (request: StatusRequest) => Promise<T>,
  unreachable: (status: WholeStatus) => T,
): Promise<T> {
  const options: Pick<StatusRequest, 'only' | 'graceMs'> = {
    graceMs: graceOf(values.grace),
    only: fleetOf(values.fleet),
  };
  try {
    const { config, bucket } = await loadConfigAndBucket(values, 'read');
    const request = { ...options, bucket, config, now, onProgress: progress };
    const facts = await read(request).finally(clearProgress);
    const { status } = facts;
    const isRead = status.ownLines.every(({ code }) => code !== 'unreachable');
    if (status.fleets.length === 0 && isRead) throw unknownFleet(options.only, config);
    return facts;
  } catch (error) {
    if (error instanceof BucketError) return unreachable(unreachableStatus(error, now()));
    throw error;
  }
}

function documentOf({ at, level, lines, fleets }: WholeStatus) {
  const of = (isNote: boolean) => lines.filter((line) => (line.level === 'note') === isNote);
  const head = { version: 1, at: at.toISOString(), result: RESULT_OF_LEVEL[level] };
  return { ...head, problems: of(false), notes: of(true), fleets: fleets.map(({ report }) => report) };
}

function textOf({ at, ownLines, fleets }: WholeStatus): string {
  return linesText(ownLines) + reportTable(fleets, { now: at, width: terminalWidth() });
}

const UNITS: Readonly<Record<string, number>> = { s: SECOND_MS, m: MINUTE_MS, h: HOUR_MS };

/** @throws UsageError */
function graceOf(text: string): number {
  const [, count = '', unit = 's'] = /^(\d{1,6})([smh]?)$/.exec(text) ?? [];
  if (count === '') throw new UsageError(`--grace wants a time such as 90s, 5m or 1h, saw ${text}`);
  return Number(count) * (UNITS[unit || 's'] ?? SECOND_MS);
}

/** @throws UsageError */
function fleetOf(text: string | undefined): FleetName | undefined {
  if (text === undefined) return undefined;
  const parsed = fleetName.safeParse(text);
  if (parsed.success) return parsed.data;
  throw new UsageError(`--fleet wants the name of a fleet, saw ${text}`);
}

function unknownFleet(only: FleetName | undefined, config: Config): UsageError {
  return new UsageError(`no fleet ${only}; configured: ${configuredFleets(config).join(', ')}`);
}

/** Of a few hosts, nobody waits. */
const MANY = 100;

function progress({ fleet, done, all }: { fleet: FleetName; done: number; all: number }): void {
  if (all >= MANY && done % 20 === 0) printProgress(`fleet ${fleet}: ${done} of ${all} statuses`);
}
