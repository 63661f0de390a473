/**
 * When a file's lines come into the crt-list file. A line with options that no HAProxy of this host has accepted would
 * stop the next start, so it waits: for `haproxy -c`, else until the running HAProxy has taken it. Until then the lines
 * that were there stay; a new certificate stays out, because without its options (`verify required`) it would be
 * served to clients that must not see it.
 */
import { join } from 'node:path';
import type { HostView } from '../agent.ts';
import type { Action } from '../deploy/action.ts';
import { desiredTails } from '../desired/listing.ts';
import { checkLines } from '../haproxy/crt-list-check.ts';
import { isSameTails, viewCrtList, writeTails } from '../haproxy/crt-list-file.ts';
import { type CrtListFile, hasHiddenOptions, hasOptions, isSameTail } from '../haproxy/crt-list-line.ts';
import { reactionTo } from '../reactions.ts';

/** What becomes of one file's lines. */
export interface LineChange {
  before: readonly string[];
  after: readonly string[];
  /** `after-load`: HAProxy is to accept it first; `kept`: `error` says why. */
  state: 'written' | 'after-load' | 'kept';
  error?: unknown;
}

type Changes = Map<string, LineChange>;

/** Writes the crt-list file once for all whose lines change. @returns the files whose lines change, or should */
export async function writeLines(actions: readonly Action[], view: HostView): Promise<Changes> {
  const list = view.crtListFile;
  if (list === undefined || actions.length === 0) return new Map();
  const names = new Set(actions.map(({ file }) => file));
  let changes: Changes = new Map(
    [...names].map((file) => [file, { before: [], after: [], state: 'written' }]),
  );
  try {
    changes = changesOf(actions, await viewCrtList(list, names));
    await checkChanges(changes, view);
    await writeChanges(list, changes);
    return changes;
  } catch (error) {
    return new Map(
      [...changes].map(([file, change]) => [file, { ...change, before: [], state: 'kept', error }]),
    );
  }
}

/**
 * Writes the lines that HAProxy has accepted by now, and takes back those that it has refused.
 * @param loaded files that are loaded; `lineError`: without their new lines
 * @returns the files whose lines it has written
 */
export async function writeLinesAfterLoad(
  changes: ReadonlyMap<string, LineChange>,
  loaded: readonly { file: string; lineError: unknown }[],
  list: CrtListFile | undefined,
): Promise<ReadonlySet<string>> {
  const late: Changes = new Map();
  for (const { file, lineError } of loaded) {
    const change = changes.get(file);
    const isAccepted = change?.state === 'after-load' && lineError === undefined;
    const isRefused = change?.state === 'written' && lineError !== undefined;
    if (isAccepted) late.set(file, { ...change, state: 'written' });
    if (isRefused) late.set(file, { ...change, after: change.before });
  }
  if (list !== undefined && late.size > 0) await writeChanges(list, late);
  return new Set(late.keys());
}

/** What to say of a file that failed while its line was not written: the line, where it is the reason. */
export function withLineError(error: unknown, change: LineChange | undefined): unknown {
  if (change?.error === undefined) return error;
  const isReason = change.state === 'kept' ? reactionTo(error) === 'waiting' : reactionTo(error) === 'reload';
  return isReason ? change.error : error;
}

function changesOf(actions: readonly Action[], listed: ReadonlyMap<string, readonly string[]>): Changes {
  const changes: Changes = new Map();
  for (const { file, desired } of actions) {
    const before = listed.get(file) ?? [];
    const after = desired === undefined ? [] : desiredTails(desired.listing, before);
    if (!isSameTails(after, before)) changes.set(file, { before, after, state: 'written' });
  }
  return changes;
}

async function checkChanges(changes: Changes, view: HostView): Promise<void> {
  const { certsDir, program } = view.config.haproxy;
  const lines = [...changes].flatMap(([file, change]) => {
    const isOpen = (tail: string) =>
      hasOptions(tail) && !change.before.includes(tail) && !holds(file, tail, view);
    return change.after.filter(isOpen).map((tail) => ({ file, path: join(certsDir, file), tail }));
  });
  for (const [{ file, tail }, error] of await checkLines(lines, { program, directory: certsDir })) {
    const change = changes.get(file);
    if (error === undefined || change === undefined) continue;
    changes.set(file, { ...change, error, state: isTriedAtLoad(file, tail, view) ? 'after-load' : 'kept' });
  }
}

/** HAProxy has the line, with all of its options. */
function holds(file: string, tail: string, view: HostView): boolean {
  return !hasHiddenOptions(tail) && isEntry(file, tail, view);
}

/** HAProxy parses the line when it is added; one that looks like its entry is not added. */
function isTriedAtLoad(file: string, tail: string, view: HostView): boolean {
  return view.haproxy !== undefined && view.blocker === undefined && !isEntry(file, tail, view);
}

function isEntry(file: string, tail: string, { haproxy }: HostView): boolean {
  const runtimeFiles = haproxy?.files.get(file) ?? [];
  return runtimeFiles.some(({ entries }) => entries?.some((entry) => isSameTail(entry.tail, tail)));
}

async function writeChanges(list: CrtListFile, changes: Changes): Promise<void> {
  const toWrite = [...changes].filter(([, { state }]) => state === 'written');
  await writeTails(list, new Map(toWrite.map(([file, { after }]) => [file, after])));
}
