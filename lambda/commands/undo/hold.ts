/** `pemfleet hold` and `pemfleet resume`: what is not renewed, and to which fleets nothing new is published. Passes obey it. */
import { table } from '#common/table.ts';
import { minuteText } from '#common/time.ts';
import type { CertificateName } from '#contract/layout.ts';
import type { Bucket } from '#storage/bucket.ts';
import { type Config, configuredFleets } from '../../config/config.ts';
import {
  endHold,
  type HoldSubject,
  type HoldWord,
  holdText,
  MAX_HOLD_TEXT,
  readHold,
  readHolds,
  type StoredHold,
  writeHold,
} from '../../hold/holds.ts';
import { breaksAt, isInForce } from '../../hold/in-force.ts';
import { storeTime } from '../../identity/store-clock.ts';
import type { CertificateVersions } from '../../publication/history/versions.ts';
import {
  type Command,
  loadConfigAndBucket,
  now,
  openAuditTrail,
  print,
  printJson,
  printToStderr,
  terminalWidth,
} from '../command.ts';
import { timeOption } from '../line/instant.ts';
import { fleetOption, nameOperand } from '../line/names.ts';
import { type CommandValues, UsageError } from '../line/options.ts';
import { EXIT } from '../output.ts';
import { readHistories } from './history.ts';
import { CommandRefused } from './refused.ts';
import { unknownNameText } from './unknown-name.ts';

type Where = { bucket: Bucket; config: Config };

export const holdCommand: Command = async (values, operands) => {
  const subjects = subjectsOf('hold', values, operands);
  if (subjects.length === 0) return showHolds(values);
  const reason = values.reason?.trim();
  if (!reason) throw new UsageError('hold wants --reason TEXT: status and the audit trail show it');
  if (reason.length > MAX_HOLD_TEXT)
    throw new UsageError(`--reason has more than ${MAX_HOLD_TEXT} characters`);
  const until = values.until === undefined ? undefined : timeOption('until', values.until);
  const { bucket, config } = await loadConfigAndBucket(values);
  const dryRun = values['dry-run'];
  const at = dryRun ? now() : await storeTime(bucket);
  if (until !== undefined && until <= at)
    throw new UsageError(`--until wants a time to come, saw ${values.until}`);
  const breaks = new Map<HoldSubject, Date | undefined>();
  for (const subject of subjects) breaks.set(subject, await judge({ bucket, config }, subject, at));
  const audit = openAuditTrail(bucket, values);
  const { by, host } = audit.actor;
  const word: HoldWord = {
    ...{
      at: at.toISOString(),
      reason,
      by: (host === undefined ? by : `${by} on ${host}`).slice(0, MAX_HOLD_TEXT),
    },
    ...(until && { until: until.toISOString() }),
  };
  for (const subject of subjects) {
    if (dryRun) continue;
    await writeHold(bucket, subject, word);
    await audit.record([
      { action: 'held', ...subject, ...(until && { reason: `until ${until.toISOString()}` }) },
    ]);
  }
  await audit.flush();
  if (values.json) {
    const held = subjects.map((subject) => ({ ...subject, ...word, breaksAt: breaks.get(subject) }));
    printJson({ version: 1, dryRun, held });
  }
  for (const subject of subjects) printToStderr(heldText(subject, word, breaks.get(subject), dryRun));
  return EXIT.ok;
};

export const resumeCommand: Command = async (values, operands) => {
  const subjects = subjectsOf('resume', values, operands);
  if (subjects.length === 0)
    throw new UsageError('resume wants the names of certificates, or --fleet, saw none');
  const { bucket } = await loadConfigAndBucket(values);
  const dryRun = values['dry-run'];
  const audit = openAuditTrail(bucket, values);
  const at = dryRun ? now() : await storeTime(bucket);
  const resumed: object[] = [];
  let isHeldAnew = false;
  for (const subject of subjects) {
    const stored = await readHold(bucket, subject);
    if (stored === undefined) {
      printToStderr(`${holdText(subject)}: is not held: nothing to do\n`);
      continue;
    }
    if (!dryRun) {
      if (!(await endHold(bucket, stored, at))) {
        printToStderr(`${holdText(subject)}: is held anew since this command has read its hold: it stays\n`);
        isHeldAnew = true;
        continue;
      }
      await audit.record([{ action: 'resumed', ...subject }]);
    }
    resumed.push({ ...subject, ...stored.word });
    const what = 'fleet' in subject ? 'publishes to it what it lacks' : 'renews it when it is due';
    printToStderr(
      `${holdText(subject)}: ${dryRun ? 'would be' : 'is'} held no more: the next pass ${what}\n`,
    );
  }
  await audit.flush();
  if (values.json) printJson({ version: 1, dryRun, resumed });
  return isHeldAnew ? EXIT.failed : EXIT.ok;
};

function subjectsOf(command: string, values: CommandValues, operands: readonly string[]): HoldSubject[] {
  const names = [...new Set(operands)].map((word) => ({ certificate: nameOperand(word) }));
  if (values.fleet === undefined) return names;
  if (names.length > 0) throw new UsageError(`${command} wants names of certificates, or --fleet, saw both`);
  return [{ fleet: fleetOption(values.fleet) }];
}

/** @returns when the hold will be broken, where it is known. @throws CommandRefused */
async function judge(where: Where, subject: HoldSubject, at: Date): Promise<Date | undefined> {
  if ('fleet' in subject) {
    const fleets = configuredFleets(where.config);
    if (fleets.includes(subject.fleet)) return undefined;
    throw new CommandRefused(
      `no certificate is configured for fleet ${subject.fleet}; configured: ${fleets.join(', ')}`,
    );
  }
  const { certificate } = subject;
  const known = await readHistories(where, certificate, undefined);
  const isConfigured = where.config.certificates.some(({ name }) => name === certificate);
  if (!isConfigured) throw new CommandRefused(notConfigured(certificate, known, where.config));
  const ends = known.flatMap(({ entry }) => (entry === undefined ? [] : [breaksAt(entry)]));
  const [first] = ends.sort((a, b) => a.getTime() - b.getTime());
  if (first === undefined) {
    throw new CommandRefused(
      `${certificate} is not published: there is nothing to hold, a first order is no renewal; take it out of pemfleet.yaml to have none`,
    );
  }
  if (first > at) return first;
  throw new CommandRefused(
    `${certificate} has less than a fifth of its life left: no hold keeps a pass from renewing it`,
  );
}

function notConfigured(name: CertificateName, known: readonly CertificateVersions[], config: Config): string {
  if (known.some(({ entry }) => entry !== undefined)) {
    return `${name} is published and not configured: no pass renews it`;
  }
  return unknownNameText(
    name,
    config.certificates.map((one) => one.name),
  );
}

function heldText(
  subject: HoldSubject,
  { until }: HoldWord,
  breaks: Date | undefined,
  dryRun: boolean,
): string {
  const end = until === undefined ? 'until pemfleet resume' : `until ${minuteText(until)}`;
  const is = dryRun ? 'would be' : 'is';
  if ('fleet' in subject) {
    return `${holdText(subject)}: ${is} held ${end}: its hosts keep what they serve, nothing new is published to it; what is revoked, or has less than a fifth of its life left, is\n`;
  }
  const at = breaks === undefined ? '' : ` (${minuteText(breaks.toISOString())})`;
  return `${holdText(subject)}: ${is} held ${end}: no pass renews it, unless it is revoked or has less than a fifth of its life left${at}; an order in flight waits\n`;
}

async function showHolds(values: CommandValues): Promise<number> {
  if (values.reason !== undefined || values.until !== undefined || values['dry-run']) {
    throw new UsageError('hold wants the names of certificates, or --fleet, saw none');
  }
  const { bucket } = await loadConfigAndBucket(values, 'read');
  const holds = await readHolds(bucket);
  if (values.json) {
    const documents = holds.map(({ subject, word, fault }) => {
      return {
        ...subject,
        ...word,
        isInForce: isInForce({ subject, word }, now()),
        ...(fault && { error: fault.message }),
      };
    });
    printJson({ version: 1, holds: documents });
  } else if (holds.length > 0) print(table([HEAD, ...holds.map(rowOf)], terminalWidth()));
  else printToStderr('nothing is held\n');
  return holds.some(({ fault }) => fault !== undefined) ? EXIT.unknown : EXIT.ok;
}

const HEAD = ['HELD', 'SINCE', 'UNTIL', 'REASON', 'BY'];

function rowOf({ subject, word, fault }: StoredHold): string[] {
  if (word === undefined)
    return [holdText(subject), '-', '-', `cannot be read: ${fault?.message ?? ''}`, '-'];
  const { at, until, reason, by } = word;
  const over = isInForce({ subject, word }, now()) ? '' : ' (over)';
  return [
    holdText(subject),
    minuteText(at),
    until === undefined ? '-' : `${minuteText(until)}${over}`,
    reason,
    by,
  ];
}
