/** `pemfleet adopt` typed again: what is in force stays as it is, and only what is new comes to it. */
import { existsSync } from 'node:fs';
import { printable } from '#common/printable.ts';
import type { AdoptionPlan } from '../../adopt/plan/adoption-plan.ts';
import { casInForce, type InForce } from '../../adopt/plan/in-force.ts';
import type { Config } from '../../config/config.ts';
import { directoryNamed } from '../../config/known-cas.ts';
import { parseConfig } from '../../config/yaml.ts';
import { readState } from '../../init/apply/file-change.ts';
import { readRecord, recordDirectory } from '../../init/apply/record.ts';
import { Unplannable } from '../../init/plan/haproxy-config.ts';
import { print, printJson, printToStderr } from '../command.ts';
import type { CommandValues } from '../line/options.ts';
import { EXIT } from '../output.ts';
import { cappedLines } from './text.ts';
import { endedOf, takeBack } from './undo.ts';

/** On one line. */
const MAX_NAMES = 20;

/** @returns undefined: adopt has not run here, or its settings are gone. @throws Unplannable where the options are others than those in force */
export async function adoptedBefore(values: CommandValues): Promise<InForce | undefined> {
  const { config: configFile, force } = values;
  const directory = recordDirectory(configFile);
  const { runs } = await readRecord(directory);
  if (force || !existsSync(configFile) || !runs.some(({ by }) => by === 'adopt')) return undefined;
  const text = (await readState(configFile))?.body.toString() ?? '';
  const inForce = { configFile, text, config: parseConfig(configFile, text) };
  refuseOtherOptions(values, inForce);
  return inForce;
}

/** A run that was killed has left something of which nobody knows how far it came. */
export async function takeKilledBack(values: CommandValues): Promise<void> {
  const directory = recordDirectory(values.config);
  const last = (await readRecord(directory)).runs.at(-1);
  if (last?.adoption === undefined || last.adoption.isDone) return;
  if (!values.yes || values['dry-run']) {
    throw new Unplannable(
      `the run of adopt of ${last.at} did not come to its end: pemfleet adopt --undo takes it back, adopt --yes does that first, too`,
    );
  }
  await takeBack(directory, { ended: await endedOf([last]) });
  printToStderr(`the run of adopt of ${last.at} did not come to its end: it was taken back\n`);
}

function refuseOtherOptions({ bucket, ca }: CommandValues, inForce: InForce): void {
  const { config, configFile } = inForce;
  const wrong = [
    ...(bucket === undefined || bucket === config.bucket ? [] : [`--bucket ${bucket}`]),
    ...(ca === undefined || casInForce(inForce).has(directoryNamed(ca)) ? [] : [`--ca ${ca}`]),
  ];
  if (wrong.length === 0) return;
  throw new Unplannable(
    `wanted ${wrong.join(' ')}, and other settings are in force: edit ${configFile} (pemfleet plan shows what follows), or pemfleet adopt --undo, then adopt again; nothing was changed`,
  );
}

/** Whoever names a CA wants certificates renewed there, and nothing of what is in force changes. @throws Unplannable */
function refuseUnheardCa({ ca, config: configFile }: CommandValues, { certificates }: Config): void {
  const imported = certificates.filter((one) => one.imported).map(({ name }) => name);
  if (ca === undefined || imported.length === 0) return;
  const more = imported.length > MAX_NAMES ? ` and ${imported.length - MAX_NAMES} more` : '';
  const names = `${imported.slice(0, MAX_NAMES).join(', ')}${more}`;
  throw new Unplannable(
    `wanted --ca ${ca}, and all that can be adopted is in ${configFile} already, where ${names} stay imported: take "imported: true" out there, and ${ca} renews them when their time has come (pemfleet plan shows it); nothing was changed`,
  );
}

export function alreadyAdopted(
  values: CommandValues,
  { leftOut }: AdoptionPlan,
  { config }: InForce,
): number {
  refuseUnheardCa(values, config);
  const names = config.certificates.map(({ name }) => name);
  if (values.json) printJson({ version: 1, result: 'already-adopted', certificates: names, leftOut });
  else {
    const left = leftOut.map(({ file, why }) => `  not ${file}: ${why}`);
    const lines = [
      ...cappedLines(left),
      `already adopted: all that can be is in ${values.config}; nothing was changed`,
    ];
    print(lines.map((line) => `${printable(line)}\n`).join(''));
  }
  return EXIT.ok;
}
