/** `pemfleet init --undo`: takes the last run back, if every file is still as init left it. */

import type { Installation } from '../host/installation.ts';
import { unifiedDiff } from '../plan/unified-diff.ts';
import { readState, removeDirectories, sha256Of } from './file-change.ts';
import { putHaproxy, reloadUnits, restoreAll, restored } from './put.ts';
import { dropRun, type RecordedChange, type RecordedRun, readRecord } from './record.ts';
import type { ReloadWay } from './reload.ts';

export interface UndoRequest {
  directory: string;
  dryRun: boolean;
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
      reloaded: boolean;
    };

export async function undoLastRun({ directory, dryRun, find }: UndoRequest): Promise<UndoResult> {
  const record = await readRecord(directory);
  const run = record.runs.at(-1);
  if (run === undefined) return { result: 'nothing' };
  const changed = await changedSince(directory, run);
  if (changed.length > 0) {
    const diff = changed.map(({ text }) => text).join('');
    return { result: 'changed', files: changed.map(({ path }) => path), diff };
  }
  const files = run.changes.map(({ path }) => path);
  const done = { result: 'undone', at: run.at, files } as const;
  if (dryRun) return { ...done, keptDirectories: [], reloaded: false };
  const own = run.changes.filter(({ isHaproxy }) => isHaproxy);
  const { reloaded } =
    own.length === 0 ? { reloaded: false } : await restoreHaproxy(directory, run, own, find(run));
  await restoreAll(
    directory,
    run.changes.filter(({ isHaproxy }) => !isHaproxy),
  );
  await reloadUnits(run.hasDropIns ? [run] : []);
  const kept = await dropRun(directory, record, run.number);
  return { ...done, keptDirectories: [...kept, ...(await removeDirectories(run.directories))], reloaded };
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

/** A run that was killed halfway has files that are still as before: nothing is to be done for them. */
async function changedSince(directory: string, run: RecordedRun): Promise<{ path: string; text: string }[]> {
  const all = await Promise.all(
    run.changes.map(async ({ path, before, after }) => {
      const state = await readState(path);
      const now = sha256Of(state?.body);
      if (now === (after?.sha256 ?? 'none') || now === (before?.sha256 ?? 'none')) return undefined;
      const written = after && (await readState(`${directory}/${after.copy}`));
      const [from, to] = [written?.body.toString() ?? '', state?.body.toString() ?? ''];
      return { path, text: unifiedDiff(path, from, to) };
    }),
  );
  return all.filter((one) => one !== undefined);
}
