/**
 * What publishing has to do with version 1: takes over what it says at first, and writes it along as long as a fleet needs it, never over
 * what an older issuer wrote and nobody has judged.
 */
import { BucketError, ContractError, codeOf, messageOf } from '#contract/errors.ts';
import type { FleetName } from '#contract/layout.ts';
import type { SignedManifest } from '#contract/root.ts';
import type { Bucket } from '#storage/bucket.ts';
import type { Log } from '../log.ts';
import type { Pass } from '../pass.ts';
import { IssuerMemory } from '../publication/ended.ts';
import type { PublisherOptions } from '../publication/publisher.ts';
import type { Signing } from '../signing/signing-key.ts';
import { readFirstManifest } from './first-manifest.ts';
import { updateVersion1, type Version1Options, writeVersion1 } from './image.ts';

/** For commands, which do not know what hosts need: version 1 follows where there is one. */
export function publisherOptions(
  bucket: Bucket,
  signing: Signing,
  now: () => Date,
  log: Log = () => undefined,
): PublisherOptions {
  const memory = new IssuerMemory(bucket);
  return {
    ...{ now, signing, memory, log },
    first: async (fleet) =>
      (await readFirstManifest(bucket, fleet, { keys: signing, memory, now: now() }))?.manifest,
    writeAlong: (root) =>
      orLog(log, root.fleet, async () => {
        await updateVersion1(bucket, root, now());
      }),
  };
}

export interface AlongOptions {
  /** Whether a host of the fleet needs version 1. */
  isNeeded(fleet: FleetName): boolean;
  optionsOf(fleet: FleetName): Version1Options;
}

/**
 * @returns writes version 1 of a root. A failure is logged, and does not undo the commit: the root is what counts, and the next pass
 * writes again
 */
export function alongWriter(
  { bucket, log }: Pick<Pass, 'bucket' | 'log'>,
  along: AlongOptions,
): (root: SignedManifest) => Promise<void> {
  return async (root) => {
    const { fleet } = root;
    if (!along.isNeeded(fleet)) return;
    await orLog(log, fleet, async () => {
      const result = await writeVersion1(bucket, root, along.optionsOf(fleet));
      if (result === 'foreign' || result === 'held') log('version-1.held', { fleet, reason: result });
    });
  };
}

/** The root is written: what fails after it takes nothing back. */
async function orLog(log: Log, fleet: FleetName, write: () => Promise<void>): Promise<void> {
  try {
    await write();
  } catch (error) {
    if (!(error instanceof BucketError || error instanceof ContractError)) throw error;
    log('version-1.failed', { fleet, code: codeOf(error), error: messageOf(error) });
  }
}
