/** Puts all changes of a run in place, or none: record, directories, files, HAProxy's check, one reload, what visitors get. */
import { dirname } from 'node:path';
import { messageOf } from '#contract/errors.ts';
import { type StagedFile, stageFile } from '#storage/atomic-file.ts';
import type { Installation } from '../host/installation.ts';
import { checkStaged } from './check.ts';
import {
  type DirectoryChange,
  type FileChange,
  makeDirectories,
  missingDirectories,
  putInPlace,
  readState,
  removeDirectories,
  sha256Of,
} from './file-change.ts';
import {
  dropRun,
  markLoaded,
  type RecordedAdoption,
  type RecordedChange,
  readRecord,
  recordedChange,
  saveCopies,
  writeRecord,
} from './record.ts';
import { type ReloadWay, reloadHaproxy } from './reload.ts';
import { runToEnd } from './run-to-end.ts';
import { askAsVisitors, changedViews } from './visitors.ts';

export interface RunRequest {
  /** Of the record. */
  directory: string;
  now: Date;
  directories: readonly DirectoryChange[];
  /** pemfleet's own. */
  files: readonly FileChange[];
  /** Drop-ins of systemd's units. */
  dropIns: readonly FileChange[];
  haproxy: HaproxyRequest | undefined;
  /** Of a run of adopt: what it will do beside that. Absent: the run is one of init. */
  adoption?: RecordedAdoption;
}

export interface HaproxyRequest {
  installation: Installation;
  configFile: string | undefined;
  files: readonly FileChange[];
  /** What a reload that fails puts back; default: what `files` replace. */
  before?: readonly FileChange[];
  /** undefined: the new configuration has none. */
  statsSocket: string | undefined;
  way: ReloadWay;
  /** Binds and names of today, for the comparison. */
  visitors: { addresses: readonly string[]; names: readonly string[]; isChangeMeant: boolean };
}

export interface RunResult {
  reloaded: boolean;
  /** HAProxy's words about the new configuration. */
  warnings: string;
}

/** Nothing of the run is left: what failed, in one text. */
export class TakenBack extends Error {
  override name = 'TakenBack';
}

/** Some of what a run has changed is left; its record has the copies. */
export class HalfDone extends Error {
  override name = 'HalfDone';
}

export async function putRun(request: RunRequest): Promise<RunResult> {
  const { haproxy } = request;
  const number = await beginRun(request);
  try {
    await makeDirectories(request.directories);
    for (const file of [...request.files, ...request.dropIns]) await putInPlace(file);
    await reloadUnits(request.dropIns);
    if (haproxy === undefined) return { reloaded: false, warnings: '' };
    const result = await putHaproxy(haproxy);
    await markLoaded(request.directory);
    return result;
  } catch (error) {
    await takeRunBack(request, number, error);
    throw error;
  }
}

/** The record and its copies stay until every file is as it was. @throws HalfDone */
async function takeRunBack(
  { directory, dropIns, adoption }: RunRequest,
  number: number,
  reason: unknown,
): Promise<void> {
  const record = await readRecord(directory);
  const run = record.runs.find((one) => one.number === number);
  if (run === undefined) return;
  try {
    await restoreAll(directory, run.changes);
    await removeDirectories(run.directories);
    await reloadUnits(dropIns);
  } catch (cause) {
    throw new HalfDone(
      `${messageOf(reason)}; and not all could be taken back (${messageOf(cause)}): ${directory} has a copy of each file from before; mend that, then: pemfleet ${adoption === undefined ? 'init' : 'adopt'} --undo`,
      { cause },
    );
  }
  await dropRun(directory, record, number);
  await removeDirectories(run.directories);
}

/** The record comes first, then what it names: whoever is killed in between leaves nothing that nobody knows. */
async function beginRun(request: RunRequest): Promise<number> {
  const { directory, now, directories, files, dropIns, haproxy, adoption } = request;
  const record = await readRecord(directory);
  const number = (record.runs.at(-1)?.number ?? 0) + 1;
  const changes: RecordedChange[] = [];
  const copies = new Map<string, Buffer>();
  const add = async (file: FileChange, isHaproxy: boolean) => {
    const one = recordedChange(number, file, await readState(file.path));
    changes.push({ ...one.change, isHaproxy });
    for (const [copy, body] of one.copies) copies.set(copy, body);
  };
  for (const file of [...files, ...dropIns]) await add(file, false);
  for (const file of haproxy?.files ?? []) await add(file, true);
  const home = dirname(directory);
  const run = {
    ...{ number, at: now.toISOString(), changes },
    directories: missingDirectories([{ path: home }, ...directories]),
    haproxyConfig: haproxy?.configFile,
    statsSocket: haproxy?.statsSocket ?? '',
    hasDropIns: dropIns.length > 0,
    ...(adoption !== undefined && { by: 'adopt' as const, adoption }),
  };
  await makeDirectories([{ path: home, mode: 0o755, ...ownIds() }]);
  const runs = [...record.runs, run];
  await writeRecord(directory, { version: 1, runs });
  try {
    await saveCopies(directory, copies);
  } catch (error) {
    await dropRun(directory, { version: 1, runs }, number);
    await removeDirectories(run.directories);
    throw error;
  }
  return number;
}

const ownIds = () => ({ uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 });

/** @throws TakenBack with HAProxy's words; its files are as they were, and it runs as it did */
export async function putHaproxy(request: HaproxyRequest): Promise<RunResult> {
  const { installation, files, way, statsSocket, visitors } = request;
  const before = request.before ?? (await states(files));
  const staged = await stageAll(files);
  const check = await checkStaged(installation, staged);
  if (!check.isWell) {
    await discardAll(staged);
    throw new TakenBack(`haproxy -c refuses the new configuration; nothing was changed:\n${check.output}`);
  }
  const worker = { socket: statsSocket, master: installation.process?.pid ?? 0 };
  const views = way.kind === 'none' ? [] : await askAsVisitors(visitors.addresses, visitors.names);
  const problem = await commitAll(staged);
  if (problem !== undefined) {
    await discardAll(staged);
    for (const file of before) await putInPlace(file);
    throw new TakenBack(`a file could not be replaced, and all is taken back: ${problem}`);
  }
  const warnings = warningsIn(check.output);
  if (way.kind === 'none') return { reloaded: false, warnings };
  const change =
    (await reloadHaproxy(way, worker, check.ms)) ??
    changedViews(views, await askAsVisitors(visitors.addresses, visitors.names), visitors).join('; ');
  if (change === '') return { reloaded: true, warnings };
  for (const file of before) await putInPlace(file);
  const again = await reloadHaproxy(way, { ...worker, socket: undefined }, check.ms);
  const state = again === undefined ? 'HAProxy runs as before' : `check HAProxy: ${again}`;
  throw new TakenBack(`the reload failed, and all is taken back (${state}): ${change}`);
}

/** @returns why one of them is not in its place; those before it are */
async function commitAll(staged: ReadonlyMap<string, StagedFile>): Promise<string | undefined> {
  try {
    for (const file of staged.values()) await file.commit();
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

async function discardAll(staged: ReadonlyMap<string, StagedFile>): Promise<void> {
  for (const file of staged.values()) await file.discard();
}

/** Of an empty directory HAProxy warns, and rightly: its first certificates are to come. */
const warningsIn = (output: string): string =>
  output
    .split('\n')
    .filter((line) => /^\[(WARNING|ALERT)\]/.test(line) && !line.includes('no SSL certificate specified'))
    .join('\n');

async function stageAll(files: readonly FileChange[]): Promise<Map<string, StagedFile>> {
  const staged = new Map<string, StagedFile>();
  try {
    for (const { path, body, mode, uid, gid } of files) {
      staged.set(path, await stageFile(path, body ?? '', { mode, uid, gid }));
    }
  } catch (error) {
    await discardAll(staged);
    throw error;
  }
  return staged;
}

async function states(files: readonly FileChange[]): Promise<FileChange[]> {
  const found = await Promise.all(files.map(async ({ path }) => ({ path, state: await readState(path) })));
  return found.flatMap(({ path, state }) => (state === undefined ? [] : [{ path, ...state }]));
}

export async function reloadUnits(dropIns: readonly unknown[]): Promise<void> {
  if (dropIns.length === 0) return;
  // Without systemd (a container, a tree that is being built) the next boot reads them.
  await runToEnd(['systemctl', 'daemon-reload'], { timeoutMs: 30_000 });
}

/** What was there before each change; what is that way already stays. */
export async function restoreAll(directory: string, changes: readonly RecordedChange[]): Promise<void> {
  for (const change of changes) await putInPlace(await restored(directory, change));
}

export async function restored(directory: string, { path, before }: RecordedChange): Promise<FileChange> {
  if (before === undefined) return { path, body: undefined, mode: 0, uid: 0, gid: 0 };
  const { copy, mode, uid, gid } = before;
  const kept = (await readState(`${directory}/${copy}`)) ?? (await unchanged(path, before.sha256));
  if (kept === undefined)
    throw new TakenBack(`${directory}/${copy} is gone: the copy of ${path} from before`);
  return { path, body: kept.body, mode, uid, gid };
}

/** A run that was killed before it copied the file has not changed it either. */
async function unchanged(path: string, sha256: string) {
  const state = await readState(path);
  return sha256Of(state?.body) === sha256 ? state : undefined;
}
