/** `pemfleet init --undo`. */
import { existsSync } from 'node:fs';
import { runHostCommand } from '#common/systemd/host-command.ts';
import { readRecord, recordDirectory } from '../../init/apply/record.ts';
import { reloadWayOf } from '../../init/apply/reload.ts';
import { TARGET } from '../../init/apply/target.ts';
import { type UndoResult, undoLastRun } from '../../init/apply/undo.ts';
import { findInstallation } from '../../init/host/installation.ts';
import { Unplannable } from '../../init/plan/haproxy-config.ts';
import { now, print, printJson, printToStderr } from '../command.ts';
import type { CommandValues } from '../line/options.ts';
import { EXIT } from '../output.ts';
import { refuseWithoutRights } from './rights.ts';

export async function undoInit(values: CommandValues): Promise<number> {
  if (!values['dry-run']) refuseWithoutRights('init', values.config);
  const directory = recordDirectory(values.config);
  if ((await readRecord(directory)).runs.at(-1)?.by === 'adopt') {
    throw new Unplannable('the last run on record is one of adopt: pemfleet adopt --undo takes it back');
  }
  const result = await undoLastRun({
    directory,
    dryRun: values['dry-run'],
    find: ({ haproxyConfig }) => {
      const configFile = values['haproxy-config'] ?? haproxyConfig;
      const installation = findInstallation({ configFile, env: process.env, uid: process.getuid?.() ?? 0 });
      return { installation, way: reloadWayOf(installation.process) };
    },
  });
  if (values.json) printJson({ version: 1, at: now().toISOString(), ...result });
  else print(undoText(result, values['dry-run']));
  if (result.result === 'undone' && !values['dry-run'] && !existsSync(values.config)) await warnOfUnits();
  if (result.result !== 'changed') return EXIT.ok;
  printToStderr(
    `init --undo takes back what is still as init wrote it; ${result.files.join(', ')} changed since: put that change aside, then undo\n`,
  );
  return EXIT.failed;
}

/** Units that are left would fail twice an hour, and alarm. */
async function warnOfUnits(): Promise<void> {
  const states = await Promise.all(
    ['is-enabled', 'is-active'].map((verb) => runHostCommand('systemctl', [verb, TARGET])),
  );
  const isOn = states.some(({ isInstalled, stdout }) => isInstalled && /^(enabled|active)$/m.test(stdout));
  if (isOn) {
    printToStderr(`${TARGET} is still on, without a configuration: systemctl disable --now ${TARGET}\n`);
  }
}

function undoText(result: UndoResult, dryRun: boolean): string {
  if (result.result === 'nothing') return 'nothing to undo: no run of init is on record\n';
  if (result.result === 'changed') return result.diff;
  const verb = dryRun ? 'would put back' : 'put back';
  const files = result.files.map((file) => `${verb} ${file}\n`);
  const kept = result.keptDirectories.map((path) => `${path} stays: it holds files\n`);
  return [...files, ...kept, result.reloaded ? 'HAProxy was reloaded once\n' : ''].join('');
}
