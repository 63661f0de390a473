/**
 * What shows that an issuer has signed here before: without its key, another one would be refused by the hosts. Asked only where there
 * is no key at all.
 */
import { BucketError, ContractError } from '#contract/errors.ts';
import { parseHostStatus } from '#contract/host-status.ts';
import { type FleetName, hostName, layout } from '#contract/layout.ts';
import type { Bucket } from '#storage/bucket.ts';

/** Statuses of a fleet that are read. */
const MAX_STATUSES = 20;
/** Of one object, not of the store. */
const OF_OBJECT = /^ERR_BUCKET_(SIZE|ARCHIVED|DENIED|IO)$/;

/** @returns the key of an object that shows it; undefined: nobody has signed here. @throws BucketError */
export async function findSigned(bucket: Bucket, fleets: readonly FleetName[]): Promise<string | undefined> {
  for (const fleet of fleets) {
    for (const key of [layout.root(fleet), layout.keys(fleet)]) {
      if ((await bucket.get(key)) !== undefined) return key;
    }
    const statuses = (await bucket.list(layout.statuses(fleet))).slice(0, MAX_STATUSES);
    for (const key of statuses) if (await namesKey(bucket, fleet, key)) return key;
  }
  return undefined;
}

/** Whether a host trusts some key already. */
async function namesKey(bucket: Bucket, fleet: FleetName, key: string): Promise<boolean> {
  const host = hostName.safeParse(key.slice(layout.statuses(fleet).length).replace(/\.json$/, ''));
  if (!host.success) return false;
  try {
    const object = await bucket.get(key);
    return object !== undefined && parseHostStatus(fleet, host.data, object.body).trust !== undefined;
  } catch (error) {
    // Whatever a host puts in the place of its status, others are asked.
    const isOfHost = error instanceof BucketError && OF_OBJECT.test(error.code);
    if (error instanceof ContractError || isOfHost) return false;
    throw error;
  }
}
