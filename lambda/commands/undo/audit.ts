/** `pemfleet audit`: who changed what, whether anybody has changed the trail, and which hosts served a certificate until when. */
import { table } from '#common/table.ts';
import { minuteText } from '#common/time.ts';
import type { AuditLine, ChainEnd } from '../../audit/line.ts';
import { type ReadTrail, readTrail } from '../../audit/read.ts';
import { bareSerial } from '../../replacement/covered.ts';
import { type Command, loadConfigAndBucket, print, printJson, printToStderr, rowWidth } from '../command.ts';
import { timeOption } from '../line/instant.ts';
import { fleetOption, nameOperand } from '../line/names.ts';
import { UsageError } from '../line/options.ts';
import { EXIT } from '../output.ts';
import { showServed } from './served.ts';
import { refuseUnknownFleet } from './unknown-name.ts';

export const auditCommand: Command = async (values, operands) => {
  const [word, ...rest] = operands;
  if (rest.length > 0)
    throw new UsageError(`audit wants the name of one certificate, saw ${operands.join(' ')}`);
  const name = word === undefined ? undefined : nameOperand(word);
  const fleet = values.fleet === undefined ? undefined : fleetOption(values.fleet);
  const after = values.after === undefined ? undefined : timeOption('after', values.after);
  const noted = values.noted === undefined ? undefined : endOption(values.noted);
  if (noted !== undefined && !values.verify) throw new UsageError('--noted goes with --verify');
  const isNarrowed = [name, fleet, after, values.serial].some((one) => one !== undefined);
  if (values.verify && isNarrowed)
    throw new UsageError('--verify reads the whole trail: it takes no name, --fleet, --after or --serial');
  const { bucket, config } = await loadConfigAndBucket(values, 'read');
  const trail = await readTrail(bucket, noted);
  if (fleet !== undefined && !trail.lines.some((line) => line.fleet === fleet)) {
    await refuseUnknownFleet({ bucket, config }, fleet);
  }
  const isMeant = (one: { fleet?: string | undefined; certificate?: string | undefined }) =>
    (name === undefined || one.certificate === name) && (fleet === undefined || one.fleet === fleet);
  if (values.serial !== undefined) {
    const serial = serialOption('serial', values.serial);
    const status = await showServed({ bucket, config }, values.json, {
      ...{ trail, serial, after, isMeant, only: fleet },
      about: name ?? (fleet === undefined ? 'ours' : `fleet ${fleet}`),
    });
    const trouble = tellProblems(trail);
    return status === EXIT.unknown || trouble === EXIT.ok ? status : trouble;
  }
  const lines = trail.lines.filter(
    (line) => isMeant(line) && (after === undefined || new Date(line.at) > after),
  );
  const { end, problems } = trail;
  if (values.json) printJson({ version: 1, end, problems, lines: values.verify ? [] : lines });
  else if (values.verify) print(`${end?.sequence ?? 0} lines; note this end elsewhere: ${endText(trail)}\n`);
  else if (lines.length > 0) print(linesTable(lines));
  else printToStderr('no line of the trail is about that\n');
  if (values.verify && end === undefined) {
    printToStderr('there is no trail: nothing was recorded yet, or somebody has taken it away\n');
    return Math.max(tellProblems(trail), EXIT.unknown);
  }
  return tellProblems(trail);
};

const HEAD = ['AT', 'ACTION', 'CERTIFICATE', 'FLEET', 'BEFORE', 'AFTER', 'BY', 'WHY'];

/** Serials are shortened where the line is too long for the terminal: who and why count more, and `--json` has all. */
function linesTable(lines: readonly AuditLine[]): string {
  const rows = (cut: (serial: string) => string) => [HEAD, ...lines.map((line) => rowOf(line, cut))];
  const whole = table(rows((serial) => serial));
  const isWide = whole.split('\n').some(({ length }) => length > rowWidth());
  return isWide
    ? table(
        rows((serial) => shortened(serial)),
        rowWidth(),
      )
    : whole;
}

const SHORT = 8;

function shortened(serial: string): string {
  return serial.length > SHORT ? `${serial.slice(0, SHORT)}…` : serial;
}

function rowOf(
  { at, action, certificate, fleet, before, after, by, host, command, request, reason }: AuditLine,
  cut: (serial: string) => string,
): string[] {
  const claimed = request === undefined ? '' : ' (claimed)';
  const who = host === undefined ? by : `${by} on ${host}${claimed}`;
  const why = [reason, command, request && `request ${request}`]
    .filter((text) => text !== undefined)
    .join(' · ');
  return [
    minuteText(at),
    action,
    certificate ?? '-',
    fleet ?? '-',
    serialsText(before?.map(cut)),
    serialsText(after?.map(cut)),
    who,
    why,
  ];
}

function serialsText(serials: readonly string[] = []): string {
  return serials.join(' ') || '-';
}

/** @returns the exit status */
function tellProblems({ problems }: ReadTrail): number {
  for (const problem of problems) printToStderr(`the trail was changed: ${problem}\n`);
  return problems.length === 0 ? EXIT.ok : EXIT.failed;
}

function endText({ end }: ReadTrail): string {
  return end === undefined ? 'none yet' : `${end.sequence}:${end.hash}`;
}

function endOption(text: string): ChainEnd {
  const [, sequence, hash] = /^(\d{1,15}):([0-9a-f]{64})$/.exec(text) ?? [];
  if (sequence !== undefined && hash !== undefined) return { sequence: Number(sequence), hash };
  throw new UsageError(`--noted wants an end as "pemfleet audit --verify" prints it, saw ${text}`);
}

/** @throws UsageError */
export function serialOption(option: string, text: string): string {
  const digits = text.replaceAll(/[:\s]/g, '').toUpperCase();
  if (/^[0-9A-F]{1,64}$/.test(digits)) return bareSerial(digits);
  throw new UsageError(`--${option} wants hexadecimal digits, with or without colons, saw ${text}`);
}
