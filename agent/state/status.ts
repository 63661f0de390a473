/** The host status of the last pass, whether or not the bucket took it; its files in shards where they are many. */
import { join } from 'node:path';
import { type FileStatus, type HostStatus, parseHostStatus } from '#contract/host-status.ts';
import type { FleetName, HostName } from '#contract/layout.ts';
import {
  isDocumentSaved,
  MAX_DOCUMENT_BYTES,
  parseUnlessSealed,
  readDocument,
  stateProblemOrThrow,
} from './documents.ts';
import {
  forgetShardFiles,
  knownShards,
  readShardFiles,
  removeShardFiles,
  type ShardFolder,
  wantsShardFiles,
  writeShardFiles,
} from './shard-files.ts';
import { SHARDS, shardOf } from './sharded-map.ts';

const STATUS_FILE = 'status.json';
export const STATUS_FOLDER = 'status';

/** The status has all files. */
const BOUNDS = { maxStringBytes: MAX_DOCUMENT_BYTES, maxItems: 100_000 };

type Shard = readonly FileStatus[];

interface Together {
  /** As the folder has them: its own list (shard-files.ts). */
  shards: readonly Shard[];
  /** All files, of these shards or of what is newer than they. */
  files: readonly FileStatus[];
  sharded: readonly Shard[];
}

/** By state directory, where its files are in shards. */
const together = new Map<string, Together>();

/**
 * @param onReset gets the path of a shard that is broken
 * @returns 'broken' for a status that cannot be read
 * @throws HostError `ERR_STATE_DIRECTORY`
 */
export async function readStatus(
  directory: string,
  { fleet, host }: { fleet: FleetName; host: HostName },
  onReset: (path: string) => void = () => undefined,
): Promise<HostStatus | 'broken' | undefined> {
  const parse = (text: string, isSealed: boolean) =>
    parseUnlessSealed(text, isSealed, () => parseHostStatus(fleet, host, Buffer.from(text), BOUNDS));
  const status = await readDocument(join(directory, STATUS_FILE), parse, true);
  if (status === undefined || status === 'broken' || status['sharded'] !== true) {
    together.delete(directory);
    forgetShardFiles(join(directory, STATUS_FOLDER));
    return status;
  }
  const { sharded: _, ...root } = status;
  const whole = (files: FileStatus[]): HostStatus => ({ ...(root as HostStatus), files });
  const check = (files: FileStatus[]) =>
    parseHostStatus(fleet, host, Buffer.from(JSON.stringify(whole(files))), BOUNDS).files;
  const shards = await readShardFiles(folderOf(directory, check, onReset));
  const before = together.get(directory);
  if (before?.shards === shards) return whole(before.files as FileStatus[]);
  const files = inOrder(shards, whole([]));
  together.set(directory, { shards, files, sharded: shards });
  return whole(files);
}

/** As the agent makes them: HAProxy by HAProxy, and by name. */
function inOrder(shards: readonly Shard[], { haproxy }: HostStatus): FileStatus[] {
  const names = haproxy.map(({ name }) => name);
  const order = (a: FileStatus, b: FileStatus) =>
    names.indexOf(a.instance) - names.indexOf(b.instance) || (a.file < b.file ? -1 : 1);
  return shards.flat().sort(order);
}

/** @returns false if the directory does not take it: this process keeps it */
export async function saveStatus(directory: string, status: HostStatus): Promise<boolean> {
  const before = together.get(directory);
  const path = join(directory, STATUS_FILE);
  const folder = folderOf(
    directory,
    (files) => files,
    () => undefined,
  );
  if (!wantsShardFiles(status.files.length, before !== undefined)) {
    const isSaved = await isDocumentSaved(path, status);
    if (isSaved && before !== undefined) await removeShardFiles(folder).catch(() => undefined);
    together.delete(directory);
    return isSaved;
  }
  const shards = shardsAfter(before, status.files) ?? shardsOf(status.files);
  const areSaved = await writeShardFiles<Shard>(folder, shards, hasSameFiles);
  // The next reading need not put them together.
  together.set(directory, { shards: knownShards(folder), files: status.files, sharded: shards });
  const isSaved = await isDocumentSaved(path, { ...status, files: [], sharded: true });
  return areSaved && isSaved;
}

function shardsOf(files: readonly FileStatus[]): readonly Shard[] {
  const shards = Array.from({ length: SHARDS }, (): FileStatus[] => []);
  for (const file of files) shards[shardOf(file.file)]?.push(file);
  return shards;
}

/**
 * Most passes say something new of a few files: the others are the same objects, and their shards, too.
 * @returns undefined if these are not the same files as before
 */
function shardsAfter(
  before: Together | undefined,
  files: readonly FileStatus[],
): readonly Shard[] | undefined {
  const { length } = files;
  if (before?.files.length !== length) return undefined;
  const changes = new Map<FileStatus, FileStatus>();
  // An iterator of 50,000 would take longer than all the rest.
  for (let index = 0; index < length; index += 1) {
    const former = before.files[index] as FileStatus;
    const file = files[index] as FileStatus;
    if (former === file) continue;
    if (former.file !== file.file) return undefined;
    changes.set(former, file);
  }
  const shards = [...before.sharded];
  for (const index of new Set([...changes.keys()].map(({ file }) => shardOf(file)))) {
    shards[index] = (shards[index] as Shard).map((file) => changes.get(file) ?? file);
  }
  return shards;
}

/** A proof that was renewed is no reason to write: since when a file is as it is does not depend on it. */
function hasSameFiles(a: Shard, b: Shard): boolean {
  const textOf = (file: FileStatus | undefined) => JSON.stringify({ ...file, provenAt: undefined });
  return (
    a.length === b.length && a.every((file, index) => file === b[index] || textOf(file) === textOf(b[index]))
  );
}

function folderOf(
  directory: string,
  check: (files: FileStatus[]) => FileStatus[],
  onReset: (path: string) => void,
): ShardFolder<Shard> {
  return {
    path: join(directory, STATUS_FOLDER),
    empty: [],
    isEmpty: ({ length }) => length === 0,
    keepsUnsaved: true,
    async read(path, index) {
      const files = await readDocument(path, (text, isSealed) => {
        const { files: read } = JSON.parse(text) as { files: FileStatus[] };
        const checked = isSealed ? read : check(read);
        return checked.filter(({ file }) => shardOf(file) === index);
      }).catch((error: unknown) => void stateProblemOrThrow(error));
      if (files !== 'broken') return files;
      onReset(path);
      return undefined;
    },
    write: (path, files) => isDocumentSaved(path, { files }),
  };
}
