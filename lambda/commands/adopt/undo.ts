/** `pemfleet adopt --undo`: all runs of adopt, the last one first. */
import { lstatSync } from 'node:fs';
import { type AdoptionUndone, undoAdoption } from '../../adopt/apply/undo-adoption.ts';
import { readRecord, recordDirectory } from '../../init/apply/record.ts';
import { reloadWayOf } from '../../init/apply/reload.ts';
import { type UndoResult, undoLastRun } from '../../init/apply/undo.ts';
import { findInstallation } from '../../init/host/installation.ts';
import { now, print, printJson, printToStderr } from '../command.ts';
import { refuseWithoutRights } from '../init/rights.ts';
import type { CommandValues } from '../line/options.ts';
import { EXIT } from '../output.ts';

export async function undoAdopt(values: CommandValues): Promise<number> {
  if (!values['dry-run']) refuseWithoutRights('adopt', values.config);
  const directory = recordDirectory(values.config);
  const first = await undoLastRun(undoRequest(directory, true));
  const { runs } = await readRecord(directory);
  const last = runs.at(-1);
  if (last !== undefined && last.by !== 'adopt') return refuseForeign(values);
  if (first.result === 'changed') return report(values, first, EMPTY);
  const done: AdoptionUndone = { renewed: [], kept: [], failed: [] };
  const files: string[] = [];
  let result: UndoResult = { result: 'nothing' };
  while ((await readRecord(directory)).runs.at(-1)?.by === 'adopt') {
    const pems = (await readRecord(directory)).runs.at(-1)?.adoption?.pems ?? [];
    files.push(...pems.map(({ path }) => path));
    if (values['dry-run']) {
      return report(
        values,
        first.result === 'undone' ? { ...first, files: [...first.files, ...files] } : first,
        done,
      );
    }
    result = await takeBack(directory, done);
    if (result.result !== 'undone') break;
    files.push(...result.files);
  }
  return report(values, result.result === 'undone' ? { ...result, files } : result, done);
}

const EMPTY: AdoptionUndone = { renewed: [], kept: [], failed: [] };

const undoRequest = (directory: string, dryRun: boolean) => ({
  ...{ directory, dryRun },
  // Adopt changes no file that HAProxy reads at a reload; the type wants an answer all the same.
  find: () => {
    const installation = findInstallation({
      configFile: undefined,
      env: process.env,
      uid: process.getuid?.() ?? 0,
    });
    return { installation, way: reloadWayOf(installation.process) };
  },
});

/** The last run. @param done gets what could not be as before */
export async function takeBack(directory: string, done: AdoptionUndone = EMPTY): Promise<UndoResult> {
  const preview = await undoLastRun(undoRequest(directory, true));
  if (preview.result !== 'undone') return preview;
  const adoption = (await readRecord(directory)).runs.at(-1)?.adoption;
  if (adoption !== undefined) {
    const one = await undoAdoption(directory, adoption);
    done.renewed.push(...one.renewed);
    done.kept.push(...one.kept);
    done.failed.push(...one.failed);
  }
  return undoLastRun(undoRequest(directory, false));
}

function refuseForeign(values: CommandValues): number {
  const message =
    'the last run on record is one of init: pemfleet init --undo takes it back, then adopt --undo';
  if (values.json) printJson({ version: 1, result: 'refused', error: { message } });
  printToStderr(`${message}\n`);
  return EXIT.failed;
}

function report(
  values: CommandValues,
  result: UndoResult,
  { renewed, kept, failed }: AdoptionUndone,
): number {
  if (values.json) printJson({ version: 1, at: now().toISOString(), ...result, renewed, kept, failed });
  else print(undoText(values, result, { renewed, kept, failed }));
  if (result.result === 'changed') {
    printToStderr(
      `adopt --undo takes back what is still as adopt wrote it; ${result.files.join(', ')} changed since: put that change aside, then undo\n`,
    );
  }
  return result.result === 'changed' || failed.length > 0 ? EXIT.failed : EXIT.ok;
}

function undoText(values: CommandValues, result: UndoResult, done: AdoptionUndone): string {
  if (result.result === 'nothing') return 'nothing to undo: no run of adopt is on record\n';
  if (result.result === 'changed') return result.diff;
  const verb = values['dry-run'] ? 'would put back' : 'put back';
  const kept = [...result.keptDirectories, ...done.kept].filter(
    (path) => lstatSync(path, { throwIfNoEntry: false }) !== undefined,
  );
  return [
    ...[...new Set(result.files)].map((file) => `${verb} ${file}\n`),
    ...done.renewed.map((file) => `${file} keeps its certificate, which pemfleet has renewed since\n`),
    ...[...new Set(kept)].map((path) => `${path} stays: it holds files\n`),
    ...done.failed.map((text) => `${text}\n`),
  ].join('');
}
