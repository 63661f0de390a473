/** What `pemfleet adopt` has done, and what is left to do. */
import { printable } from '#common/printable.ts';
import type { OldSchedules } from '../../adopt/clients/schedules.ts';
import type { AdoptionPlan } from '../../adopt/plan/adoption-plan.ts';
import { print, printJson } from '../command.ts';
import type { CommandValues } from '../line/options.ts';
import type { Disabled } from './disable-old.ts';
import type { Taken } from './take.ts';

/** On one line; all of them are in the plan above. */
const MAX_NAMES = 20;

export interface AdoptionReport {
  plan: AdoptionPlan;
  taken: Taken;
  disabled: Disabled | undefined;
  schedules: OldSchedules;
  /** Of pemfleet's units. */
  startCommand: string;
}

export function adoptionReport(values: CommandValues, report: AdoptionReport): void {
  const next = nextCommands(values, report);
  if (values.json) printJson(documentOf(values, report, next));
  else print(textOf(report, next));
}

function documentOf(
  values: CommandValues,
  { plan, taken, disabled }: AdoptionReport,
  next: readonly string[],
) {
  const { places, inBucket, files, socket } = taken;
  return {
    version: 1,
    result: values['dry-run'] ? 'planned' : 'adopted',
    certificates: plan.certificates.map(({ spec, files: pems, notAfter, issued }) => ({
      name: spec.name,
      ...{
        identifiers: spec.identifiers,
        files: pems.map(({ file }) => file),
        notAfter: notAfter.toISOString(),
      },
      ...{ challenge: spec.challenge, imported: spec.isImported, issued },
    })),
    leftOut: plan.leftOut,
    accounts: plan.cas.flatMap(({ account, directoryUrl }) =>
      account === undefined ? [] : [{ client: account.client, directoryUrl, url: account.url }],
    ),
    ...{ bucket: plan.answers.bucket, certsDir: places.certsDir, linkedFrom: places.linkedFrom },
    ...{ listen: plan.listen, files, socket, published: inBucket.published },
    notes: [...plan.notes, ...places.notes, ...inBucket.notes],
    ...{ todos: plan.todos, disabled, next },
  };
}

function textOf({ plan, taken, disabled }: AdoptionReport, next: readonly string[]): string {
  const { isDone, places, files, inBucket, pems, socket } = taken;
  const lines = [
    ...files.map((file) => `${isDone ? 'wrote' : 'would write'} ${file}`),
    ...places.notes.map((note) => `note: ${note}`),
    ...inBucket.notes.map((note) => `note: ${note}`),
    ...(isDone
      ? [
          `published ${inBucket.published.length} certificates in ${plan.answers.bucket}; ${pems} files of HAProxy are the agent's now, at the same paths; nothing was ordered, and HAProxy was not reloaded`,
        ]
      : [
          `would publish ${namesIn(inBucket.published)} in ${plan.answers.bucket}; HAProxy's files would be the agent's, at the same paths`,
        ]),
    ...(socket === undefined
      ? []
      : [
          `${isDone ? 'gave' : 'would give'} the group ${socket.group} rights on HAProxy's stats socket ${socket.path}`,
        ]),
    ...(plan.listen === undefined
      ? []
      : [`the responder listens on ${plan.listen}, where HAProxy sends challenges already`]),
    ...(disabled === undefined ? [] : [disabledText(disabled, !isDone)]),
    ...(next.length === 0 ? [] : ['next:', ...next.map((line) => `  ${line}`)]),
  ];
  return lines.map((line) => `${printable(line)}\n`).join('');
}

function namesIn(published: readonly string[]): string {
  const [some, more] = [published.slice(0, MAX_NAMES), published.length - MAX_NAMES];
  return `${some.join(', ') || 'nothing new'}${more > 0 ? ` and ${more} more` : ''}`;
}

function nextCommands(
  values: CommandValues,
  { disabled, schedules, startCommand }: AdoptionReport,
): string[] {
  const config = values.config === '/etc/pemfleet/pemfleet.yaml' ? '' : ` --config ${values.config}`;
  if (values['dry-run']) return ['the same with --yes in place of --dry-run does it'];
  const isOldOn = disabled === undefined && schedules.timers.length + schedules.cronLines.length > 0;
  return [
    ...(disabled?.isStarted ? [] : [startCommand]),
    `pemfleet status${config}`,
    ...(isOldOn ? [`pemfleet adopt${config} --disable-old --yes    when status is green`] : []),
    `pemfleet adopt${config} --undo    puts everything back`,
  ];
}

export function disabledText({ timers, cronFiles, isStarted }: Disabled, dryRun: boolean): string {
  const what = [...timers, ...cronFiles].join(', ');
  const verb = dryRun ? 'would disable' : 'disabled';
  const own = isStarted ? `; ${dryRun ? 'would start' : 'started'} pemfleet.target` : '';
  return `${what === '' ? 'nothing starts the former client' : `${verb} ${what}`}${own}`;
}
