/** `pemfleet adopt --undo`: all runs of adopt, the last one first. */
import { lstatSync } from 'node:fs';
import { printable } from '#common/printable.ts';
import { whileOwnerOf } from '#common/user/while-owner.ts';
import { BucketError, ContractError, messageOf } from '#contract/errors.ts';
import type { Bucket } from '#storage/bucket.ts';
import { openBucket } from '#storage/open.ts';
import { endedSince } from '../../adopt/apply/ended-since.ts';
import {
  type AdoptionUndone,
  keyBehind,
  nothingUndone,
  type SinceAdoption,
  undoAdoption,
} from '../../adopt/apply/undo-adoption.ts';
import { isUsedSince } from '../../adopt/apply/used-since.ts';
import type { EditedFile } from '../../init/apply/edited.ts';
import { type RecordedRun, readRecord, recordDirectory } from '../../init/apply/record.ts';
import { editedSince, undoLastRun } from '../../init/apply/undo.ts';
import { Unplannable } from '../../init/plan/haproxy-config.ts';
import { now, print, printJson } from '../command.ts';
import { refuseWithoutRights } from '../init/rights.ts';
import type { CommandValues } from '../line/options.ts';
import { EXIT } from '../output.ts';
import { directoryOfBucket } from './bucket-directory.ts';

interface Undone extends AdoptionUndone {
  files: string[];
  edited: EditedFile[];
  keptDirectories: string[];
}

const nothingDone = (): Undone => ({ ...nothingUndone(), files: [], edited: [], keptDirectories: [] });

export async function undoAdopt(values: CommandValues): Promise<number> {
  refuseWithoutRights('adopt', values.config);
  const directory = recordDirectory(values.config);
  const { runs } = await readRecord(directory);
  const own = runs.slice(runs.findLastIndex(({ by }) => by !== 'adopt') + 1);
  if (own.length === 0 && runs.length > 0) {
    throw new Unplannable(
      'the last run on record is one of init: pemfleet init --undo takes it back, then adopt --undo',
    );
  }
  const ended = values.force ? new Map<string, string>() : await endedOf(own);
  if (own.length === 0) {
    await undoLastRun({ directory, dryRun: values['dry-run'], find: findNothing });
    return report(values, own, nothingDone());
  }
  if (values['dry-run']) {
    const edited = await editedSince(directory, own);
    return report(values, own, { ...(await planned(own, ended)), edited });
  }
  const done = nothingDone();
  const isUsed = await isBucketUsed(own);
  for (const _ of own) await takeBack(directory, { done, ended, isUsed });
  return report(values, own, done);
}

/** @throws Unplannable where the bucket does not say: what is stolen must not come back */
export async function endedOf(runs: readonly RecordedRun[]): Promise<Map<string, string>> {
  const said = await askBuckets(
    runs,
    (bucket) => endedSince(bucket, runs),
    (url, cause) => {
      throw new Unplannable(
        `wanted to know from ${url} what was withdrawn, revoked or stolen since, saw ${messageOf(cause)}; nothing was changed: mend that, or give back all without that word: pemfleet adopt --undo --force`,
        { cause },
      );
    },
  );
  return new Map(said.flatMap((ended) => [...ended]));
}

/** Of a bucket that cannot be read, nobody knows what it holds. */
async function isBucketUsed(runs: readonly RecordedRun[]): Promise<boolean> {
  const said = await askBuckets(
    runs,
    (bucket) => isUsedSince(bucket, runs),
    () => true,
  );
  return said.includes(true);
}

/** @param unknown what a bucket says that cannot be read */
async function askBuckets<T>(
  runs: readonly RecordedRun[],
  ask: (bucket: Bucket) => Promise<T>,
  unknown: (url: string, cause: Error) => T,
): Promise<T[]> {
  const answers: T[] = [];
  for (const url of new Set(runs.flatMap(({ adoption }) => adoption?.bucket || []))) {
    try {
      const read = async () => ask(await openBucket(url, 'read'));
      answers.push(await whileOwnerOf(directoryOfBucket(url), read));
    } catch (error) {
      if (!(error instanceof BucketError || error instanceof ContractError)) throw error;
      answers.push(unknown(url, error));
    }
  }
  return answers;
}

async function planned(runs: readonly RecordedRun[], ended: ReadonlyMap<string, string>): Promise<Undone> {
  const pems = runs.flatMap(({ adoption }) => adoption?.pems ?? []);
  const withheld: Undone['withheld'] = [];
  for (const pem of pems) {
    const why = ended.get(pem.path);
    if (why === undefined) continue;
    withheld.push({ file: pem.path, why, isThere: isThere(pem.path), ...(await keyBehind(pem)) });
  }
  const back = pems.map(({ path }) => path).filter((path) => !ended.has(path));
  const files = [...runs.flatMap(({ changes }) => changes.map(({ path }) => path)), ...back];
  return { ...nothingDone(), files, withheld };
}

const isThere = (path: string) => lstatSync(path, { throwIfNoEntry: false }) !== undefined;

/** The last run. @param done gets what could not be as before */
export async function takeBack(
  directory: string,
  { done = nothingDone(), ...since }: SinceAdoption & { done?: Undone } = {},
): Promise<void> {
  const adoption = (await readRecord(directory)).runs.at(-1)?.adoption;
  if (adoption !== undefined) {
    const one = await undoAdoption(adoption, since);
    const left = new Set([...one.withheld.map(({ file }) => file), ...one.renewed]);
    done.files.push(...adoption.pems.map(({ path }) => path).filter((path) => !left.has(path)));
    for (const key of ['renewed', 'reshaped', 'kept', 'left', 'failed'] as const) done[key].push(...one[key]);
    done.withheld.push(...one.withheld);
  }
  const result = await undoLastRun({
    ...{ directory, dryRun: false, kept: done.edited, find: findNothing },
  });
  if (result.result !== 'undone') return;
  done.files.push(...result.files);
  done.edited.push(...result.edited);
  done.keptDirectories.push(...result.keptDirectories);
}

/** @throws TypeError: adopt changes no file that HAProxy reads at a reload */
function findNothing(): never {
  throw new TypeError('a run of adopt has changed a file of HAProxy');
}

function report(values: CommandValues, runs: readonly RecordedRun[], done: Undone): number {
  const isEmpty = runs.length === 0;
  const files = [...new Set(done.files)];
  if (values.json) {
    const result = isEmpty ? 'nothing' : 'undone';
    printJson({ version: 1, at: now().toISOString(), result, ...done, files });
  } else if (isEmpty) print('nothing to undo: no run of adopt is on record\n');
  else print(undoText(values, { ...done, files }));
  const isWhole = done.failed.length + done.withheld.length + done.left.length === 0;
  return isWhole ? EXIT.ok : EXIT.failed;
}

function undoText(values: CommandValues, done: Undone): string {
  const verb = values['dry-run'] ? 'would put back' : 'put back';
  const kept = [...done.keptDirectories, ...done.kept].filter(isThere);
  const lines = [
    ...done.files.map((file) => `${verb} ${file}`),
    ...done.edited.map(({ path, kept: as }) =>
      as === undefined
        ? `${path} was changed since: adopt's lines are out of it, the change stays`
        : `${path} was changed since: it is kept as ${as}`,
    ),
    ...done.renewed.map((file) => `${file} keeps its certificate, which pemfleet has renewed since`),
    ...done.reshaped.map(
      (file) => `${file} keeps the form that adopt gave it: the copy of before was too old, and is deleted`,
    ),
    ...done.withheld.flatMap(withheldLines),
    ...[...new Set(done.left)].map(
      (file) =>
        `${file} stays: pemfleet has put it there since, and HAProxy serves it; nothing renews it now: take it out of HAProxy's configuration, then delete it`,
    ),
    ...[...new Set(kept)].map((path) => `${path} stays: it holds files`),
    ...done.failed,
  ];
  return lines.map((line) => `${printable(line)}\n`).join('');
}

function withheldLines({ file, why, isThere: stays, keyAt }: Undone['withheld'][number]): string[] {
  return [
    stays
      ? `${file} is not put back, and stays as it is now: ${why}; take it out of HAProxy's configuration, then delete it`
      : `${file} is not put back: ${why}`,
    ...(keyAt === undefined
      ? []
      : [`${keyAt}, to which ${file} led before, still has the certificate with its key: delete it`]),
  ];
}
