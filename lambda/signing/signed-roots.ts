/** Who signed what is published now, fleet by fleet: for people who decide about a key, and for the sequence at which one is retired. */
import { BucketError, ContractError } from '#contract/errors.ts';
import { type FleetName, layout } from '#contract/layout.ts';
import { parseRootParts } from '#contract/root.ts';
import type { PublicKey } from '#contract/statement.ts';
import type { Bucket } from '#storage/bucket.ts';

export interface SignedRoot {
  fleet: FleetName;
  key: PublicKey;
  lineage: string;
  sequence: number;
  signedAt: string;
}

/** Without the fleets whose root is missing or cannot be read. @throws BucketError if the store is out of reach */
export async function readSignedRoots(bucket: Bucket, fleets: readonly FleetName[]): Promise<SignedRoot[]> {
  const roots = await Promise.all(fleets.map((fleet) => readSignedRoot(bucket, fleet)));
  return roots.flat();
}

async function readSignedRoot(bucket: Bucket, fleet: FleetName): Promise<SignedRoot[]> {
  try {
    const object = await bucket.get(layout.root(fleet));
    if (object === undefined) return [];
    const { key, manifest } = parseRootParts(fleet, object.body);
    const { lineage, sequence, signedAt } = manifest;
    return [{ fleet, key, lineage, sequence, signedAt }];
  } catch (error) {
    if (error instanceof ContractError) return [];
    if (error instanceof BucketError && error.code !== 'ERR_BUCKET_UNREACHABLE') return [];
    throw error;
  }
}
