/**
 * The shards of the last good manifest, in the state directory: a file each, named by its digest, with the bytes of the bucket's object. A
 * file is believed if its content is that of its name: it needs no seal, and one that is cut or altered is fetched again. They never change,
 * so a process parses each of them once.
 */
import { chown, mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { inParallel } from '#common/in-parallel.ts';
import { digest } from '#contract/combined-pem.ts';
import { MAX_SHARD_BYTES } from '#contract/limits.ts';
import type { Shard, ShardDigests } from '#contract/shard/node.ts';
import type { ReadShards } from '#contract/shard/read.ts';
import type { KnownTrees } from '#contract/shard/tree.ts';
import { readRegularFile } from '#storage/atomic-file.ts';
import { ownerOf } from './documents.ts';

const FOLDER = 'shards';
const AT_ONCE = 32;

/** By state directory: the last good manifest. Several HAProxy of one host have the same. */
const parsed = new Map<string, StoredShards>();

/** What a poll has read of a sharded manifest. */
export interface StoredShards extends Pick<ReadShards, 'leaves' | 'ended' | 'tree'> {
  /** Of the root. */
  digests: ShardDigests;
  /** By digest: the bytes of those that were fetched, until they are saved: of 50,000 certificates, 100 MB. */
  fetched: Map<string, Buffer>;
}

/** A shard that this process has parsed. */
export function parsedShard(sha256: string): Shard | undefined {
  for (const { tree } of parsed.values()) {
    const shard = tree.get(sha256);
    if (shard !== undefined) return shard;
  }
  return undefined;
}

/** Of what this process has parsed. */
export const knownTrees: KnownTrees = { subtrees: new WeakMap() };

/** What this process has read under these digests. */
export function parsedShards(directory: string, digests: ShardDigests): StoredShards | undefined {
  const last = parsed.get(directory);
  return last?.digests.every((sha256, slot) => sha256 === digests[slot]) ? last : undefined;
}

/** @returns undefined where the directory does not have it as it should be: the bucket has it */
export async function storedShard(directory: string, sha256: string): Promise<Buffer | undefined> {
  try {
    const body = await readRegularFile(pathOf(directory, sha256), MAX_SHARD_BYTES);
    return digest(body) === sha256 ? body : undefined;
  } catch {
    // Missing, or not ours to read: only a saved fetch is lost.
    return undefined;
  }
}

/**
 * To be called before the manifest is saved that names them. This process knows them whether the directory takes them or not.
 * @throws what writing a file throws
 */
export async function saveShards(directory: string, shards: StoredShards): Promise<void> {
  parsed.set(directory, { ...shards, fetched: new Map() });
  const fetched = [...shards.fetched];
  shards.fetched.clear();
  if (fetched.length === 0) return;
  const owner = await makeFolder(directory);
  await inParallel(
    fetched,
    AT_ONCE,
    ([sha256, body]) => write(pathOf(directory, sha256), body, owner),
    ([sha256]) => sha256,
  );
}

/**
 * To be called after the manifest is saved: removes what it does not name.
 * @param before what was saved before it; absent: all files are looked at
 */
export async function sweepShards(
  directory: string,
  { tree }: StoredShards,
  before: StoredShards | undefined,
): Promise<void> {
  const folder = join(directory, FOLDER);
  const files = before === undefined ? await readdir(folder) : before.tree.goneIn(tree).map(fileOf);
  for (const file of files) {
    if (!tree.has(file.slice(0, -'.json'.length))) await rm(join(folder, file), { force: true });
  }
}

interface Owner {
  uid?: number;
  gid?: number;
}

async function makeFolder(directory: string): Promise<Owner> {
  const folder = join(directory, FOLDER);
  const isNew = (await mkdir(folder, { recursive: true, mode: 0o700 })) !== undefined;
  const owner = await ownerOf(directory);
  if (isNew) await giveTo(folder, owner);
  return owner;
}

/** Not synchronized with the disk, as other documents are: a file that a crash has cut is not that of its name. */
async function write(path: string, body: Buffer, owner: Owner): Promise<void> {
  const temp = `${path}.${process.pid}`;
  await writeFile(temp, body, { mode: 0o600 });
  await giveTo(temp, owner);
  await rename(temp, path);
}

async function giveTo(path: string, { uid, gid }: Owner): Promise<void> {
  if (uid !== undefined && gid !== undefined) await chown(path, uid, gid);
}

function pathOf(directory: string, sha256: string): string {
  return join(directory, FOLDER, fileOf(sha256));
}

function fileOf(sha256: string): string {
  return `${sha256}.json`;
}
