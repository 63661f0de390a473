/** The changes of `pemfleet adopt`: settings, bucket, files; all of them, or none. */
import { existsSync, lstatSync, statSync } from 'node:fs';
import { chmod, chown } from 'node:fs/promises';
import { whileOwnerOf } from '#common/user/while-owner.ts';
import { WrongUser } from '#common/user/wrong-user.ts';
import { messageOf } from '#contract/errors.ts';
import type { Bucket, BucketAccess } from '#storage/bucket.ts';
import { openBucket } from '#storage/open.ts';
import { pathsBelow } from '../../adopt/apply/entries.ts';
import {
  type BucketPreview,
  type InBucket,
  previewBucket,
  putIntoBucket,
} from '../../adopt/apply/into-bucket.ts';
import { keepPems, recordedPems, takeFiles } from '../../adopt/apply/take-files.ts';
import type { AdoptionPlan } from '../../adopt/plan/adoption-plan.ts';
import { type AdoptionPlaces, choosePlaces } from '../../adopt/plan/places.ts';
import type { FileChange } from '../../init/apply/file-change.ts';
import { HalfDone, putRun, TakenBack } from '../../init/apply/put.ts';
import { markDone, type RecordedAdoption, recordDirectory } from '../../init/apply/record.ts';
import { runToEnd } from '../../init/apply/run-to-end.ts';
import { TARGET } from '../../init/apply/target.ts';
import { type DropInChanges, dropInChanges } from '../../init/drop-ins.ts';
import { filesOnBinds } from '../../init/host/served-certificates.ts';
import { directoriesOf, pemDirectoryGid } from '../../init/setup.ts';
import { now, openAuditTrail, passEnvironmentOf } from '../command.ts';
import type { CommandValues } from '../line/options.ts';
import { directoryOfBucket } from './bucket-directory.ts';
import { adoptDropIns, UNITS_CONFIG } from './drop-ins.ts';
import { settingsOf, type TakeRequest } from './settings.ts';
import { takeBack } from './undo.ts';

export interface Taken {
  isDone: boolean;
  places: AdoptionPlaces;
  files: string[];
  /** PEM files that were written. */
  pems: number;
  /** What was done there, or would be. */
  inBucket: InBucket;
  /** The stats socket, where the agent's user gets to it by another group. */
  socket: { path: string; group: string } | undefined;
}

const STATE_DIRECTORY = '/var/lib/pemfleet-agent';

export async function takeOverFiles(values: CommandValues, request: TakeRequest): Promise<Taken> {
  const { config, plan, installation } = request;
  const loaded = (await filesOnBinds(config)).map(({ file }) => file);
  const { directory = '', certificates } = plan;
  const chosen = choosePlaces({ directory, certificates, configFiles: installation.files, loaded });
  const places = { ...chosen, notes: [...chosen.notes, ...readerNotes(plan)] };
  const files = await settingsOf(values, request, places);
  const dropIns = await dropInsOf(values, request, places);
  const { path, group } = request.right;
  const taken: Taken = {
    ...{ isDone: false, places, pems: 0 },
    files: [...files, ...dropIns.files].map((one) => one.path),
    inBucket: request.preview,
    socket: group === undefined || !existsSync(path) ? undefined : { path, group },
  };
  return values['dry-run'] ? taken : put(values, request, { taken, files, dropIns });
}

async function dropInsOf(
  { config: configFile }: CommandValues,
  { plan, right, installation }: TakeRequest,
  { certsDir }: AdoptionPlaces,
): Promise<DropInChanges> {
  const own = await dropInChanges(configFile, { bucket: plan.answers.bucket, certsDir });
  const more = await adoptDropIns(configFile, { plan, right, unit: installation.process?.unit });
  return {
    files: [...own.files, ...more.files],
    directories: [...own.directories, ...more.directories],
  };
}

/** A mail server may read the same file by its group. */
function readerNotes({ certificates }: AdoptionPlan): string[] {
  const files = certificates.flatMap((one) => one.files.map(({ file }) => file));
  const open = files.filter((file) => ((statSync(file, { throwIfNoEntry: false })?.mode ?? 0) & 0o044) !== 0);
  if (open.length === 0) return [];
  const some =
    open.length > 5 ? `${open.slice(0, 5).join(', ')} and ${open.length - 5} more` : open.join(', ');
  return [
    `other users could read ${some}; the agent's files are its user's alone (pem.mode and pem.group of agent.yaml): another program that needs a certificate gets its own copy, by hooks.proved`,
  ];
}

/** The record comes first: whatever ends this program, `--undo` finds what it has done. */
async function put(
  values: CommandValues,
  request: TakeRequest,
  { taken, files, dropIns }: { taken: Taken; files: readonly FileChange[]; dropIns: DropInChanges },
): Promise<Taken> {
  const { plan, user, right, installation } = request;
  const { places } = taken;
  const { bucket } = plan.answers;
  const directory = recordDirectory(values.config);
  const readerGid = pemDirectoryGid({ installation });
  const wanted = { certificates: plan.certificates, places, owner: user, readerGid };
  const adoption: RecordedAdoption = {
    ...{ bucket, pems: await recordedPems(wanted) },
    attributes: attributesOf([places.certsDir, ...(right.gid === undefined ? [] : [right.path])]),
    trees: treesOf(bucket, places),
    units: await unitsToEnd(values.config),
  };
  await putRun({
    ...{ directory, now: now(), files, haproxy: undefined, adoption },
    dropIns: dropIns.files,
    directories: [...directoriesOf(bucket, places.certsDir, user, readerGid), ...dropIns.directories].filter(
      ({ path }) => !existsSync(path),
    ),
  });
  try {
    await keepPems(adoption.pems, wanted);
    const inBucket = await publish(values, plan);
    const pems = await takeFiles(wanted);
    if (right.gid !== undefined) await openSocket(right.path, right.gid);
    await markDone(directory);
    return { ...taken, isDone: true, pems, inBucket };
  } catch (error) {
    await takeBack(directory).catch((cause: unknown) => {
      const rest = `${messageOf(error)}; and not all could be taken back (${messageOf(cause)}): mend that, then: pemfleet adopt --undo`;
      throw new HalfDone(rest, { cause });
    });
    throw new TakenBack(`${messageOf(error)}; all is taken back, and HAProxy has noticed nothing`, {
      cause: error,
    });
  }
}

/** Whoever starts pemfleet's units from here on: without its settings they go again. */
async function unitsToEnd(configFile: string): Promise<RecordedAdoption['units']> {
  if (configFile !== UNITS_CONFIG || !existsSync('/run/systemd/system')) return [];
  const { isWell } = await runToEnd(['systemctl', 'is-enabled', TARGET], { timeoutMs: 30_000 });
  return isWell ? [] : [{ unit: TARGET, verb: 'enable' }];
}

const openSocket = async (path: string, gid: number) => {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  // HAProxy does not run: the drop-in of its unit does it at the next start.
  if (stats === undefined) return;
  await chown(path, stats.uid, gid);
  await chmod(path, (stats.mode & 0o7777) | 0o060);
};

function attributesOf(paths: readonly string[]): RecordedAdoption['attributes'] {
  return paths.flatMap((path) => {
    const stats = lstatSync(path, { throwIfNoEntry: false });
    return stats === undefined ? [] : [{ path, mode: stats.mode & 0o7777, uid: stats.uid, gid: stats.gid }];
  });
}

/** A bucket that holds something is somebody's: what adopt publishes there stays. */
function treesOf(bucket: string, { certsDir }: AdoptionPlaces): RecordedAdoption['trees'] {
  const directory = directoryOfBucket(bucket);
  const treeOf = (path: string) => ({ path, entries: pathsBelow(path), isNew: !existsSync(path) });
  const isEmpty = directory !== undefined && !holdsFiles(directory);
  return [
    // One of the agent's own goes with all that is in it.
    {
      ...{ path: certsDir, entries: pathsBelow(certsDir), isNew: false },
      ...(existsSync(certsDir) ? { only: '.pemfleet' } : {}),
    },
    ...(directory !== undefined && isEmpty ? [{ ...treeOf(directory), isNew: false }] : []),
    ...(holdsFiles(STATE_DIRECTORY) ? [] : [treeOf(STATE_DIRECTORY)]),
  ];
}

const holdsFiles = (directory: string) =>
  pathsBelow(directory).some((name) => !lstatSync(`${directory}/${name}`).isDirectory());

/** What the bucket says of all of it; reads only. */
export const previewOf = (values: CommandValues, plan: AdoptionPlan): Promise<BucketPreview> =>
  asOwner(plan, 'read', (bucket) => previewBucket({ ...workOf(values, plan), bucket }));

const publish = (values: CommandValues, plan: AdoptionPlan): Promise<InBucket> =>
  asOwner(plan, 'write', (bucket) =>
    putIntoBucket({ ...workOf(values, plan), bucket, audit: openAuditTrail(bucket, values) }),
  );

function workOf(values: CommandValues, plan: AdoptionPlan) {
  const { log } = passEnvironmentOf({ ...values, quiet: true });
  return { plan, replaceTrusted: values['replace-trusted'], now, log };
}

/** What root writes there belongs to the bucket's owner. */
function asOwner<T>(
  { answers: { bucket: url } }: AdoptionPlan,
  access: BucketAccess,
  work: (bucket: Bucket) => Promise<T>,
): Promise<T> {
  return whileOwnerOf(directoryOfBucket(url), async (isOwner) => {
    const bucket = await openBucket(url, access);
    if (!isOwner) throw new WrongUser(NO_OWNER);
    return work(bucket);
  });
}

const NO_OWNER =
  'wanted to write into the bucket as its owner, saw a Node that lets nobody change the user (Debian 13): use the package of pemfleet, which has its own';
