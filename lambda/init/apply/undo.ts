/** `pemfleet init --undo`: takes the last run back, if every file is still as init left it. That of adopt keeps what was edited since. */

import { existsSync } from 'node:fs';
import type { Installation } from '../host/installation.ts';
import { unifiedDiff } from '../plan/unified-diff.ts';
import { type EditedChange, type EditedFile, keepEdits } from './edited.ts';
import { readState, removeDirectories, sha256Of, sweepTempsOf } from './file-change.ts';
import { putHaproxy, reloadUnits, restoreAll, restored } from './put.ts';
import { dropRun, type RecordedChange, type RecordedRun, readRecord } from './record.ts';
import type { ReloadWay } from './reload.ts';

export interface UndoRequest {
  directory: string;
  dryRun: boolean;
  /** Files that were edited since are no reason to refuse; those that the undo of a later run has kept are not kept again. */
  keepsEdits?: readonly EditedFile[];
  /** The HAProxy of the run, where it has changed its files. */
  find: (run: RecordedRun) => { installation: Installation; way: ReloadWay };
}

export type UndoResult =
  | { result: 'nothing' }
  /** `diff`: from what init wrote to what is there. */
  | { result: 'changed'; files: readonly string[]; diff: string }
  | {
      result: 'undone';
      at: string;
      files: readonly string[];
      keptDirectories: readonly string[];
      /** They were edited since. */
      edited: readonly EditedFile[];
      reloaded: boolean;
    };

export async function undoLastRun(request: UndoRequest): Promise<UndoResult> {
  const { directory, dryRun, keepsEdits, find } = request;
  const record = await readRecord(directory);
  const run = record.runs.at(-1);
  if (run === undefined) {
    if (!dryRun && existsSync(directory)) await dropRun(directory, record, 0);
    return { result: 'nothing' };
  }
  const changed = await changedSince(directory, run);
  if (changed.length > 0 && keepsEdits === undefined) {
    return { result: 'changed', files: changed.map(({ change }) => change.path), diff: diffOf(changed) };
  }
  const isKept = (path: string) => keepsEdits?.some((one) => one.path === path && one.kept !== undefined);
  const edits = changed.filter(({ change }) => !isKept(change.path));
  const edited = await keepEdits(directory, edits, dryRun);
  const files = run.changes.map(({ path }) => path);
  const done = { result: 'undone', at: run.at, files, edited } as const;
  if (dryRun) return { ...done, keptDirectories: [], reloaded: false };
  const own = run.changes.filter(({ isHaproxy }) => isHaproxy);
  const { reloaded } =
    own.length === 0 ? { reloaded: false } : await restoreHaproxy(directory, run, own, find(run));
  await restoreAll(
    directory,
    run.changes.filter(({ isHaproxy, path }) => !isHaproxy && !isMended(edited, path)),
  );
  await sweepTempsOf(files);
  await reloadUnits(run.hasDropIns ? [run] : []);
  // While the record is there that names them; its own are the last to go.
  const isAround = (path: string) => directory.startsWith(`${path}/`);
  const kept = await removeDirectories(run.directories.filter((path) => !isAround(path)));
  kept.push(...(await dropRun(directory, record, run.number)));
  kept.push(...(await removeDirectories(run.directories.filter(isAround))));
  return { ...done, keptDirectories: kept, reloaded };
}

async function restoreHaproxy(
  directory: string,
  run: RecordedRun,
  changes: readonly RecordedChange[],
  { installation, way }: ReturnType<UndoRequest['find']>,
) {
  const files = await Promise.all(changes.map((change) => restored(directory, change)));
  const visitors = { addresses: [], names: [], isChangeMeant: true };
  // The socket may be of the lines that go.
  const keepsSocket = files.some(({ body }) => body?.includes(run.statsSocket));
  const statsSocket = keepsSocket ? run.statsSocket : undefined;
  const { haproxyConfig: configFile } = run;
  return putHaproxy({ installation, configFile, files, statsSocket, way, visitors });
}

/** What an undo of all these runs would do with files that were edited since. */
export function editedSince(directory: string, runs: readonly RecordedRun[]): Promise<EditedFile[]> {
  const last = new Map(runs.flatMap(({ changes }) => changes.map((one) => [one.path, one] as const)));
  return changedSince(directory, { changes: [...last.values()] }).then((edits) =>
    keepEdits(directory, edits, true),
  );
}

const isMended = (edited: readonly EditedFile[], path: string) =>
  edited.some((one) => one.path === path && one.kept === undefined);

/** A run that was killed halfway has files that are still as before: nothing is to be done for them. */
async function changedSince(directory: string, run: Pick<RecordedRun, 'changes'>): Promise<EditedChange[]> {
  const all = await Promise.all(
    run.changes.map(async (change) => {
      const { before, after } = change;
      const state = await readState(change.path);
      const now = sha256Of(state?.body);
      if (now === (after?.sha256 ?? 'none') || now === (before?.sha256 ?? 'none')) return undefined;
      const copyOf = async (kept: typeof after) =>
        kept && (await readState(`${directory}/${kept.copy}`))?.body;
      return { change, state, before: await copyOf(before), after: await copyOf(after) };
    }),
  );
  return all.filter((one) => one !== undefined);
}

const diffOf = (changed: readonly EditedChange[]) =>
  changed
    .map(({ change: { path }, state, after }) =>
      unifiedDiff(path, after?.toString() ?? '', state?.body.toString() ?? ''),
    )
    .join('');
