/** `--disable-old`: what starts the former client is disabled once pemfleet's own timer runs: never both off. */
import { existsSync } from 'node:fs';
import type { ClientState } from '../../adopt/clients/lineage.ts';
import {
  type CronLine,
  findSchedules,
  type OldSchedules,
  withoutLines,
} from '../../adopt/clients/schedules.ts';
import { type FileChange, readState } from '../../init/apply/file-change.ts';
import { putRun, TakenBack } from '../../init/apply/put.ts';
import { markDone, type RecordedAdoption, readRecord, recordDirectory } from '../../init/apply/record.ts';
import { runToEnd } from '../../init/apply/run-to-end.ts';
import { TARGET } from '../../init/apply/target.ts';
import { now } from '../command.ts';
import type { CommandValues } from '../line/options.ts';
import { takeBack } from './undo.ts';

const TIMEOUT_MS = 120_000;

export interface Disabled {
  timers: readonly string[];
  cronFiles: readonly string[];
  /** pemfleet's units were started by it. */
  isStarted: boolean;
}

type Unit = RecordedAdoption['units'][number];

export async function oldSchedules(clients: readonly ClientState[]): Promise<OldSchedules> {
  const all = await Promise.all(clients.map(({ client }) => findSchedules(client)));
  const unique = (texts: readonly string[]) => [...new Set(texts)];
  return {
    timers: unique(all.flatMap(({ timers }) => timers)),
    cronLines: all.flatMap(({ cronLines }) => cronLines),
    scripts: unique(all.flatMap(({ scripts }) => scripts)),
  };
}

export function scheduleNotes({ timers, cronLines, scripts }: OldSchedules, values: CommandValues): string[] {
  const lines = cronLines.map(({ file, index }) => `${file}:${index + 1}`);
  const what = [...timers, ...lines].join(', ');
  const own = scripts.map((file) => `${file} starts the former client, too: take it out by hand`);
  if (what === '' || values['disable-old']) return own;
  return [
    `${what} still starts the former client: both renew until "pemfleet adopt --disable-old", which does no harm; the agent puts its own certificate back`,
    ...own,
  ];
}

/** @throws TakenBack */
export async function disableOld(
  values: CommandValues,
  { timers, cronLines }: OldSchedules,
): Promise<Disabled> {
  const directory = recordDirectory(values.config);
  const files = await withoutCronLines(cronLines);
  const isBooted = existsSync('/run/systemd/system');
  const isRunning = !isBooted || (await isWell(['systemctl', 'is-active', TARGET]));
  const units: Unit[] = [
    ...(isRunning ? [] : [{ unit: TARGET, verb: 'enable' } as const]),
    ...timers.map((unit) => ({ unit, verb: 'disable' }) as const),
  ];
  const result = { timers, cronFiles: files.map(({ path }) => path), isStarted: !isRunning };
  if (units.length + files.length === 0 || values['dry-run']) return result;
  const { runs } = await readRecord(directory);
  const bucket = runs.findLast(({ adoption }) => adoption !== undefined)?.adoption?.bucket ?? '';
  await putRun({
    ...{ directory, now: now(), files, haproxy: undefined, dropIns: [], directories: [] },
    adoption: { bucket, pems: [], attributes: [], trees: [], units },
  });
  for (const { verb, unit } of units) {
    const { isWell: isDone, output } = await runToEnd(['systemctl', verb, '--now', unit], {
      timeoutMs: TIMEOUT_MS,
    });
    if (isDone) continue;
    await takeBack(directory);
    throw new TakenBack(
      `systemctl ${verb} --now ${unit}: ${output}; the former client is on as before, what is adopted stays adopted: mend that, then: pemfleet adopt --disable-old`,
    );
  }
  await markDone(directory);
  return result;
}

const isWell = async (words: readonly string[]) => (await runToEnd(words, { timeoutMs: TIMEOUT_MS })).isWell;

async function withoutCronLines(lines: readonly CronLine[]): Promise<FileChange[]> {
  const changes: FileChange[] = [];
  for (const path of new Set(lines.map(({ file }) => file))) {
    const state = await readState(path);
    if (state === undefined) continue;
    const { mode, uid, gid, body } = state;
    const text = withoutLines(
      body.toString('latin1'),
      lines.filter(({ file }) => file === path),
    );
    changes.push({ path, body: Buffer.from(text, 'latin1'), mode, uid, gid });
  }
  return changes;
}
