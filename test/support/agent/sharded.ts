// The same manifest as a tree of shards, as an issuer writes that of a large fleet.
import { layout } from '#contract/layout.ts';
import { serializeRoot } from '#contract/root.ts';
import { NO_SHARDS } from '#contract/shard/node.ts';
import { changeShards } from '#contract/shard/write.ts';
import type { Signer } from '#contract/statement.ts';
import { parseRoot } from '../parse-root.ts';
import { fleet } from './host.ts';
import { stageSigner } from './publish.ts';
import type { Stage } from './stage.ts';

/**
 * Replaces the stage's root, which has all certificates, by one with shards, and version 1 by nothing.
 * @param isWritten whether this key is there afterwards
 * @param as who signs it, and with which other members
 * @returns by key: the shards of the tree
 */
export async function shardRoot(
  { bucket, putRoot }: Pick<Stage, 'bucket' | 'putRoot'>,
  isWritten: (key: string) => boolean = () => true,
  as: { signer?: Signer; lineage?: string } = {},
): Promise<Map<string, string>> {
  const object = await bucket.get(layout.root(fleet));
  const { manifest } = parseRoot(fleet, object?.body ?? Buffer.alloc(0));
  const { certificates, tombstones } = manifest;
  const names = new Set([...Object.keys(certificates), ...Object.keys(tombstones)]) as Set<
    keyof typeof certificates
  >;
  const changes = new Map(
    [...names].map((name) => [name, { entry: certificates[name], tombstone: tombstones[name] }]),
  );
  const { digests, written } = await changeShards(NO_SHARDS, changes, async () => {
    throw new Error('a new tree has no nodes');
  });
  const shards = new Map([...written].map(([sha256, { text }]) => [layout.shard(fleet, sha256), text]));
  for (const [key, text] of shards) if (isWritten(key)) await bucket.put(key, text);
  const { signer = stageSigner, lineage = manifest.lineage } = as;
  const root = { ...manifest, lineage, sequence: manifest.sequence + 1 };
  await putRoot(serializeRoot(root, signer, digests).text);
  await bucket.delete(layout.manifest(fleet));
  return shards;
}
