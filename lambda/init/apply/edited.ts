/** Files of a run that somebody has edited since: what the run did is taken back, and the edit is not lost. */
import { existsSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { replaceFile } from '#storage/atomic-file.ts';
import { withoutLinesOf } from '../plan/lines-out.ts';
import { type FileState, putInPlace } from './file-change.ts';
import type { RecordedChange } from './record.ts';

export interface EditedFile {
  path: string;
  /** Where the edited file is from now on; absent: the lines of the run were taken out of it where it is. */
  kept?: string | undefined;
}

/** A file as it is, and what the run has made of what was there. */
export interface EditedChange {
  change: RecordedChange;
  state: FileState | undefined;
  before: Buffer | undefined;
  after: Buffer | undefined;
}

/** What is done for it is done before its file of before comes back. @param directory of the record */
export async function keepEdits(
  directory: string,
  edits: readonly EditedChange[],
  dryRun: boolean,
): Promise<EditedFile[]> {
  const files: EditedFile[] = [];
  for (const edit of edits) {
    const { path } = edit.change;
    const { state } = edit;
    if (state === undefined) continue;
    const body = withoutPrefixes(edit);
    const kept = body === undefined ? freeKeptName(dirname(directory), path) : undefined;
    files.push({ path, kept });
    if (dryRun) continue;
    if (kept !== undefined) await replaceFile(kept, state.body, state);
    else await putInPlace({ ...state, path, body });
  }
  return files;
}

/** Beside pemfleet.yaml: in a folder of cron, or of systemd, another name might count. */
export function freeKeptName(directory: string, path: string): string {
  for (let number = 1; ; number += 1) {
    const name = join(directory, `${basename(path)}.kept${number === 1 ? '' : `-${number}`}`);
    if (!existsSync(name)) return name;
  }
}

/**
 * HAProxy's configuration as it is now, without the lines of the run.
 * @returns undefined: they do not stand as the run wrote them
 */
export function withoutRunOf(edit: EditedTexts): Buffer | undefined {
  return mended(edit, (old, made, now) => {
    // Or somebody has taken them out, or an undo that was killed.
    const isOut = withoutLinesOf(made, old, now) !== undefined;
    return withoutLinesOf(old, made, now) ?? (isOut ? now : undefined);
  });
}

/**
 * Lines that the run has only put something before, such as `#` before a line of a crontab, are as they were; all other lines are as they are now.
 * @returns undefined: the run has written another file
 */
export function withoutPrefixes(edit: EditedTexts): Buffer | undefined {
  return mended(edit, (...texts) => {
    const [old = [], made = [], now = []] = texts.map((text) => text.split('\n'));
    const isPrefixed = (line: string, was = '') => line === was || (was !== '' && line.endsWith(was));
    if (old.length !== made.length || !made.every((line, index) => isPrefixed(line, old[index])))
      return undefined;
    const changed = new Map(made.map((line, index) => [line, old[index] ?? line]));
    return now.map((line) => changed.get(line) ?? line).join('\n');
  });
}

type EditedTexts = Pick<EditedChange, 'before' | 'after' | 'state'>;

/** Each byte stays what it is. @returns undefined where one of the three is missing, too */
function mended(
  { before, after, state }: EditedTexts,
  mend: (old: string, made: string, now: string) => string | undefined,
): Buffer | undefined {
  if (before === undefined || after === undefined || state === undefined) return undefined;
  const text = mend(before.toString('latin1'), after.toString('latin1'), state.body.toString('latin1'));
  return text === undefined ? undefined : Buffer.from(text, 'latin1');
}
