/** Reads what is published, and with it what is to be probed. One fleet's broken manifest is that fleet's fault, and no other's. */
import { BucketError, ContractError, messageOf } from '#contract/errors.ts';
import type { FleetName } from '#contract/layout.ts';
import type { Manifest } from '#contract/manifest.ts';
import type { Bucket } from '#storage/bucket.ts';
import { type OwnKeys, readManifest } from '../publication/read-manifest.ts';
import { type ProbeTarget, type TargetChoice, targetsOf } from './target.ts';

/** A fleet whose manifest cannot be read. */
export interface ProbeFault {
  fleet: string;
  code: string;
  message: string;
}

export interface TargetSource extends TargetChoice {
  bucket: Bucket;
  /** Whose manifests count. */
  keys: OwnKeys;
  fleets: readonly FleetName[];
}

export async function readTargets(
  source: TargetSource,
  now: Date,
): Promise<{ targets: ProbeTarget[]; faults: ProbeFault[] }> {
  const targets: ProbeTarget[] = [];
  const faults: ProbeFault[] = [];
  for (const fleet of source.fleets) {
    const read = await readOrFault(source, fleet);
    if (read instanceof ContractError || read instanceof BucketError) {
      faults.push({ fleet, code: read.code, message: messageOf(read) });
    } else if (read !== undefined) {
      targets.push(...targetsOf(read, source, now));
    }
  }
  return { targets, faults };
}

async function readOrFault(
  { bucket, keys }: TargetSource,
  fleet: FleetName,
): Promise<Manifest | ContractError | BucketError | undefined> {
  try {
    return (await readManifest(bucket, fleet, keys))?.manifest;
  } catch (error) {
    if (error instanceof ContractError || error instanceof BucketError) return error;
    throw error;
  }
}
