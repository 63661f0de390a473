/** A run of init that was killed between the files and the reload: HAProxy runs without what its files say. */
import { readState, sha256Of } from './file-change.ts';
import { type HaproxyRequest, putHaproxy, type RunResult, restored } from './put.ts';
import { type InitRecord, markLoaded, type RecordedChange } from './record.ts';

/** Nobody knows whether HAProxy has read what those runs wrote. */
export const hasUnfinished = ({ runs }: InitRecord): boolean =>
  runs.some(({ isLoaded, changes }) => !isLoaded && changes.some(({ isHaproxy }) => isHaproxy));

/**
 * Checks and reloads what is in place, once.
 * @throws TakenBack the files of those runs are as before them, but for what somebody has changed since
 */
export async function finishRuns(
  directory: string,
  record: InitRecord,
  haproxy: Omit<HaproxyRequest, 'files' | 'before'>,
): Promise<RunResult> {
  const changes = record.runs
    .filter(({ isLoaded }) => !isLoaded)
    .flatMap((run) => run.changes.filter(({ isHaproxy }) => isHaproxy));
  const before = [];
  // Of several runs over one file, the first one has what HAProxy runs with.
  for (const change of [...changes].reverse()) {
    if (await isInPlace(change)) before.push(await restored(directory, change));
  }
  const result = await putHaproxy({ ...haproxy, files: [], before });
  await markLoaded(directory);
  return result;
}

async function isInPlace({ path, after }: RecordedChange): Promise<boolean> {
  return sha256Of((await readState(path))?.body) === after?.sha256;
}
