/** `pemfleet init --undo`, and that of adopt: takes the last run back. What was edited since is kept. */

import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Installation } from '../host/installation.ts';
import { unifiedDiff } from '../plan/unified-diff.ts';
import { type EditedChange, type EditedFile, freeKeptName, keepEdits, withoutRunOf } from './edited.ts';
import { type FileChange, readState, removeDirectories, sha256Of, sweepTempsOf } from './file-change.ts';
import { putHaproxy, reloadUnits, restoreAll, restored } from './put.ts';
import { dropRun, type InitRecord, type RecordedRun, readRecord } from './record.ts';
import type { ReloadWay } from './reload.ts';

/** The HAProxy of the run, where it has changed its files. */
type Find = (run: RecordedRun) => { installation: Installation; way: ReloadWay };

export interface UndoRequest {
  directory: string;
  dryRun: boolean;
  /** What the undo of a later run has kept is not kept again. */
  kept?: readonly EditedFile[];
  find: Find;
}

/** Lines of the run do not stand in HAProxy's configuration as it wrote them. */
export interface Entangled {
  result: 'changed';
  files: readonly string[];
  /** From what the run wrote to what is there. */
  diff: string;
  /** What puts each file aside, and back to what the run wrote. */
  commands: readonly (readonly string[])[];
}

export type UndoResult =
  | { result: 'nothing' }
  | Entangled
  | {
      result: 'undone';
      at: string;
      files: readonly string[];
      /** Those of them that were not there before the run. */
      removed: readonly string[];
      keptDirectories: readonly string[];
      /** They were edited since. */
      edited: readonly EditedFile[];
      reloaded: boolean;
    };

/** What is to be done; nothing is. */
export interface UndoPlan {
  result: 'planned';
  record: InitRecord;
  run: RecordedRun;
  /** HAProxy's, as they are to be. */
  haproxy: readonly FileChange[];
  /** Those of it out of which only the lines of the run are taken. */
  edited: readonly EditedFile[];
  /** Others that were edited since. */
  edits: readonly EditedChange[];
}

export async function planUndo(directory: string): Promise<UndoPlan | Entangled | { result: 'nothing' }> {
  const record = await readRecord(directory);
  const run = record.runs.at(-1);
  if (run === undefined) return { result: 'nothing' };
  const changed = await changedSince(directory, run);
  const own = changed.filter(({ change }) => change.isHaproxy);
  const merged = new Map(own.map((edit) => [edit.change.path, withoutRunOf(edit)]));
  const entangled = own.filter(({ change }) => merged.get(change.path) === undefined);
  if (entangled.length > 0) return entangledOf(directory, entangled);
  const haproxy = run.changes.filter(({ isHaproxy }) => isHaproxy);
  return {
    ...{ result: 'planned', record, run },
    haproxy: await Promise.all(
      haproxy.map(async (change) => {
        const { state } = own.find((one) => one.change === change) ?? {};
        const body = merged.get(change.path);
        return state === undefined ? restored(directory, change) : { ...state, path: change.path, body };
      }),
    ),
    edited: own.map(({ change: { path } }) => ({ path })),
    edits: changed.filter(({ change }) => !change.isHaproxy),
  };
}

function entangledOf(directory: string, changed: readonly EditedChange[]): Entangled {
  const commands = changed.flatMap(({ change: { path, after }, state }) => [
    ...(state === undefined ? [] : [['cp', '-p', path, freeKeptName(dirname(directory), path)]]),
    ...(after === undefined ? [] : [['cp', `${directory}/${after.copy}`, path]]),
  ]);
  const files = changed.map(({ change: { path } }) => path);
  return { result: 'changed', files, diff: diffOf(changed), commands };
}

export async function undoLastRun(request: UndoRequest): Promise<UndoResult> {
  const { directory, dryRun, kept: before = [], find } = request;
  const plan = await planUndo(directory);
  if (plan.result === 'nothing' && !dryRun && existsSync(directory)) {
    await dropRun(directory, { version: 1, runs: [] }, 0);
  }
  if (plan.result !== 'planned') return plan;
  const { run, record } = plan;
  const isKept = (path: string) => before.some((one) => one.path === path && one.kept !== undefined);
  const edits = plan.edits.filter(({ change }) => !isKept(change.path));
  const files = run.changes.map(({ path }) => path);
  const removed = run.changes.filter(({ before }) => before === undefined).map(({ path }) => path);
  const done = { result: 'undone', at: run.at, files, removed } as const;
  if (dryRun) {
    const edited = [...plan.edited, ...(await keepEdits(directory, edits, dryRun))];
    return { ...done, edited, keptDirectories: [], reloaded: false };
  }
  const reloaded = plan.haproxy.length > 0 && (await restoreHaproxy(plan, find(run)));
  const edited = [...plan.edited, ...(await keepEdits(directory, edits, dryRun))];
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
  return { ...done, edited, keptDirectories: kept, reloaded };
}

/** @returns whether it was reloaded */
async function restoreHaproxy({ run, haproxy: files }: UndoPlan, { installation, way }: ReturnType<Find>) {
  const visitors = { addresses: [], names: [], isChangeMeant: true };
  // The socket may be of the lines that go.
  const keepsSocket = files.some(({ body }) => body?.includes(run.statsSocket));
  const statsSocket = keepsSocket ? run.statsSocket : undefined;
  const { haproxyConfig: configFile } = run;
  return (await putHaproxy({ installation, configFile, files, statsSocket, way, visitors })).reloaded;
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
