/** The end of a pass over the fleets: the summary of the shards, and what nobody names any more. Whatever fails here, nobody misses. */
import { BucketError, ContractError, messageOf } from '#contract/errors.ts';
import { type FleetName, layout } from '#contract/layout.ts';
import { parseManifest } from '#contract/manifest.ts';
import type { Pass } from '../pass.ts';
import type { IssuerMemory } from './ended.ts';
import { keysNamedBy, type ReadNamed, sweepGarbage } from './garbage.ts';
import { noteDeletedKeys } from './history/deleted-keys.ts';
import type { PublishedFleets, Publisher } from './publisher.ts';
import { readRoot } from './read-manifest.ts';

/** As a pass has found the bucket. */
export interface FleetsBefore extends PublishedFleets {
  readonly memory: IssuerMemory;
}

type TidyPass = Pick<Pass, 'audit' | 'bucket' | 'config' | 'log' | 'signing' | 'timing'>;

/** @param needed keys of a fleet's PEMs that no manifest names, and that are still wanted */
export async function tidyFleets(
  pass: TidyPass,
  first: FleetsBefore,
  needed: (fleet: FleetName) => Promise<readonly string[]>,
): Promise<void> {
  for (const [fleet, publisher] of first.publishers) {
    try {
      await publisher.shards.saveSummary();
      if (isFirstOfDay(first, fleet, publisher)) await sweep(pass, first, fleet, needed);
    } catch (error) {
      if (!(error instanceof BucketError || error instanceof ContractError)) throw error;
      pass.log('tidy.failed', { fleet, code: error.code, error: messageOf(error) });
    }
  }
}

/** Each fleet is signed twice a day, so that this says when it is time, and costs no request. */
function isFirstOfDay({ manifests }: FleetsBefore, fleet: FleetName, { latest }: Publisher): boolean {
  const dayOf = (signedAt: string | undefined) => signedAt?.slice(0, 10);
  const before = dayOf(manifests.get(fleet)?.manifest.signedAt);
  return latest !== undefined && before !== undefined && before !== dayOf(latest.manifest.signedAt);
}

async function sweep(
  pass: TidyPass,
  { memory }: FleetsBefore,
  fleet: FleetName,
  needed: (fleet: FleetName) => Promise<readonly string[]>,
): Promise<void> {
  const { bucket, config, log, signing } = pass;
  const now = pass.timing.now();
  const readNamed: ReadNamed = async () => {
    const { manifest: root } = await readRoot(bucket, fleet, signing, memory);
    const shards = memory.shardsOf(fleet);
    if (root === undefined || shards.isDamaged) return undefined;
    const object = await bucket.get(layout.manifest(fleet));
    try {
      const version1 = object === undefined ? [] : [parseManifest(fleet, object.body)];
      const digests = root.requires.includes('shards') ? shards.digests : [];
      return new Set([...keysNamedBy(fleet, [root, ...version1], digests), ...(await needed(fleet))]);
    } catch (error) {
      if (error instanceof ContractError) return undefined;
      throw error;
    }
  };
  const onDelete = (keys: readonly string[]) =>
    noteDeletedKeys(pass, fleet, keys, { at: now, reason: `keyRetention: ${config.keyRetention}` });
  const keptDays = Number.parseInt(config.keyRetention, 10);
  const deleted = await sweepGarbage({ bucket, now, keptDays, onDelete }, fleet, readNamed);
  if (deleted.length > 0) log('garbage.deleted', { fleet, count: deleted.length });
}
