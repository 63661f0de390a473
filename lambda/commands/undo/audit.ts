/** `pemfleet audit`: who changed what, whether anybody has changed the trail, and which hosts served a certificate until when. */
import { table } from '#common/table.ts';
import { minuteText } from '#common/time.ts';
import type { Bucket } from '#storage/bucket.ts';
import type { AuditLine, ChainEnd } from '../../audit/line.ts';
import { type ReadTrail, readTrail } from '../../audit/read.ts';
import {
  type Exposure,
  isServedAfter,
  readExposures,
  recordedSubjects,
  type Subject,
} from '../../fleet/served/query.ts';
import { bareSerial } from '../../replacement/covered.ts';
import {
  type Command,
  loadConfigAndBucket,
  print,
  printJson,
  printToStderr,
  terminalWidth,
} from '../command.ts';
import { timeOption } from '../line/instant.ts';
import { fleetOption, nameOperand } from '../line/names.ts';
import { type CommandValues, UsageError } from '../line/options.ts';
import { EXIT } from '../output.ts';

export const auditCommand: Command = async (values, operands) => {
  const [word, ...rest] = operands;
  if (rest.length > 0)
    throw new UsageError(`audit wants the name of one certificate, saw ${operands.join(' ')}`);
  const name = word === undefined ? undefined : nameOperand(word);
  const fleet = values.fleet === undefined ? undefined : fleetOption(values.fleet);
  const after = values.after === undefined ? undefined : timeOption('after', values.after);
  const noted = values.noted === undefined ? undefined : endOption(values.noted);
  if (noted !== undefined && !values.verify) throw new UsageError('--noted goes with --verify');
  const { bucket } = await loadConfigAndBucket(values, 'read');
  const trail = await readTrail(bucket, noted);
  const isMeant = (one: { fleet?: string | undefined; certificate?: string | undefined }) =>
    (name === undefined || one.certificate === name) && (fleet === undefined || one.fleet === fleet);
  if (values.serial !== undefined) {
    const serial = serialOption('serial', values.serial);
    const subjects = (await subjectsOf(bucket, trail, serial)).filter(isMeant);
    return showExposures(bucket, values, { trail, subjects, serial, after });
  }
  const lines = trail.lines.filter(
    (line) => isMeant(line) && (after === undefined || new Date(line.at) > after),
  );
  const { end, problems } = trail;
  if (values.json) printJson({ version: 1, end, problems, lines: values.verify ? [] : lines });
  else if (values.verify) print(`${end?.sequence ?? 0} lines; note this end elsewhere: ${endText(trail)}\n`);
  else if (lines.length > 0) print(table([HEAD, ...lines.map(rowOf)], terminalWidth()));
  else printToStderr('no line of the trail is about that\n');
  if (values.verify && end === undefined) {
    printToStderr('there is no trail: nothing was recorded yet, or somebody has taken it away\n');
    return Math.max(tellProblems(trail), EXIT.unknown);
  }
  return tellProblems(trail);
};

const HEAD = ['AT', 'ACTION', 'CERTIFICATE', 'FLEET', 'BEFORE', 'AFTER', 'BY', 'WHY'];

function rowOf({
  at,
  action,
  certificate,
  fleet,
  before,
  after,
  by,
  host,
  command,
  request,
  reason,
}: AuditLine): string[] {
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
    serialsText(before),
    serialsText(after),
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

/** The trail names the certificate; one of before the trail is looked for in all records. */
async function subjectsOf(bucket: Bucket, { lines }: ReadTrail, serial: string): Promise<Subject[]> {
  const has = ({ before = [], after = [] }: AuditLine) =>
    [...before, ...after].some((one) => bareSerial(one) === serial);
  const named = new Set(lines.filter(has).map(({ certificate }) => certificate));
  const all = await recordedSubjects(bucket);
  const some = all.filter(({ certificate }) => named.has(certificate));
  return some.length > 0 ? some : all;
}

interface Question {
  trail: ReadTrail;
  subjects: readonly Subject[];
  serial: string;
  after: Date | undefined;
}

async function showExposures(
  bucket: Bucket,
  values: CommandValues,
  { trail, subjects, serial, after }: Question,
): Promise<number> {
  const { exposures, unreadable, incomplete } = await readExposures(bucket, subjects, serial);
  const served = exposures.filter((one) => isServedAfter(one, after));
  const isKnown =
    exposures.length > 0 ||
    trail.lines.some(({ after: some = [] }) => some.some((one) => bareSerial(one) === serial));
  if (values.json)
    printJson({
      ...{ version: 1, serial, after, hosts: served, unreadable, incomplete },
      ...{ isKnown, problems: trail.problems },
    });
  else if (served.length > 0) print(table([SERVED_HEAD, ...served.map(servedRow)], terminalWidth()));
  const since = after === undefined ? '' : ` after ${minuteText(after.toISOString())}`;
  const hosts = new Set(served.map(({ fleet, host }) => `${fleet}/${host}`)).size;
  printToStderr(
    isKnown
      ? `${hosts} hosts served ${serial}${since}\n`
      : `nothing of ours is known to have the serial ${serial}\n`,
  );
  for (const host of unreadable) {
    printToStderr(`${host}: its report cannot be read: what it serves now is unknown\n`);
  }
  for (const subject of incomplete) {
    printToStderr(`${subject}: its record was lost, at least in part: who has served it before is unknown\n`);
  }
  const trouble = tellProblems(trail);
  if (!isKnown || unreadable.length + incomplete.length > 0) return EXIT.unknown;
  if (trouble !== EXIT.ok) return trouble;
  return after !== undefined && served.length > 0 ? EXIT.failed : EXIT.ok;
}

const SERVED_HEAD = ['HOST', 'FLEET', 'CERTIFICATE', 'FROM', 'LAST REPORT', 'UNTIL', 'PROVED'];

function servedRow({ host, fleet, certificate, first, last, gone, isServing, isProved }: Exposure): string[] {
  const text = (time: Date) => minuteText(time.toISOString());
  const until = isServing ? 'serves it' : gone === undefined ? 'reports no more' : `before ${text(gone)}`;
  return [host, fleet, certificate, text(first), text(last), until, isProved ? 'handshake' : 'no'];
}

/** @throws UsageError */
export function serialOption(option: string, text: string): string {
  const digits = text.replaceAll(/[:\s]/g, '').toUpperCase();
  if (/^[0-9A-F]{1,64}$/.test(digits)) return bareSerial(digits);
  throw new UsageError(`--${option} wants hexadecimal digits, with or without colons, saw ${text}`);
}
