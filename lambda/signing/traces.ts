/**
 * What shows that an issuer has signed here before: without its key, another one would be refused by the hosts. Asked only where there
 * is no key at all.
 */
import { ContractError } from '#contract/errors.ts';
import { ABSENT_AFTER_MS, type HostStatus } from '#contract/host-status.ts';
import { type FleetName, layout } from '#contract/layout.ts';
import { readReceipt } from '#contract/receipt.ts';
import { readHead } from '#contract/root.ts';
import { type PublicKey, StatementRefused } from '#contract/statement.ts';
import type { Bucket, ListedObject } from '#storage/bucket.ts';
import { isOfHost, readStatusOf } from './reported.ts';

/** Statuses of a fleet that are read. */
const MAX_STATUSES = 20;
/** Receipts of a status that are read. */
const MAX_RECEIPTS = 20;

/** What one host alone says: it may have signed that itself. */
export interface LoneClaim {
  fleet: FleetName;
  /** Of the status. */
  object: string;
  /** Who has signed the head or the receipts in it. */
  key: PublicKey;
}

/**
 * @param onLoneClaim gets what does not count
 * @returns the key of an object that shows it; undefined: nobody has signed here
 * @throws BucketError
 */
export async function findSigned(
  bucket: Bucket,
  fleets: readonly FleetName[],
  onLoneClaim: (claim: LoneClaim) => void = () => undefined,
): Promise<string | undefined> {
  for (const fleet of fleets) {
    for (const key of [layout.root(fleet), layout.keys(fleet)]) {
      if ((await bucket.get(key)) !== undefined) return key;
    }
    const object = await findInStatuses(bucket, fleet, onLoneClaim);
    if (object !== undefined) return object;
  }
  return undefined;
}

/** Statuses with statements of one and the same key: of two hosts, or of the only one that lives. */
async function findInStatuses(
  bucket: Bucket,
  fleet: FleetName,
  onLoneClaim: (claim: LoneClaim) => void,
): Promise<string | undefined> {
  const entries = (await bucket.entries(layout.statuses(fleet))).filter(({ key }) => isOfHost(fleet, key));
  const living = new Set(livingOf(entries).map(({ key }) => key));
  const objectsByKey = new Map<PublicKey, string[]>();
  for (const { key: object } of entries.slice(0, MAX_STATUSES)) {
    const status = await readStatusOf(bucket, fleet, object);
    if (status?.leftAt !== undefined) living.delete(object);
    for (const key of status === undefined ? [] : signersIn(fleet, status)) {
      objectsByKey.set(key, [...(objectsByKey.get(key) ?? []), object]);
    }
  }
  for (const [key, [object = '', ...more]] of objectsByKey) {
    const isAlone = [...living].every((one) => one === object);
    if (more.length > 0 || isAlone) return object;
    onLoneClaim({ fleet, object, key });
  }
  return undefined;
}

/** A host whose status is so much older than the newest one is gone. */
function livingOf(entries: readonly ListedObject[]): ListedObject[] {
  const newestMs = Math.max(...entries.map(({ modifiedAt }) => modifiedAt.getTime()));
  return entries.filter(({ modifiedAt }) => newestMs - modifiedAt.getTime() <= ABSENT_AFTER_MS);
}

/** Keys whose signature about this fleet the host has: of the head that it acted on, and of receipts. */
function signersIn(fleet: FleetName, { head, files }: HostStatus): Set<PublicKey> {
  const receipts = files.flatMap(({ receipt }) => receipt ?? []).slice(0, MAX_RECEIPTS);
  const statements = [
    ...(head === undefined ? [] : [() => readHead(head, layout.root(fleet))]),
    ...receipts.map((receipt) => () => readReceipt(receipt)),
  ];
  return new Set(statements.flatMap((read) => signerIn(fleet, read)));
}

function signerIn(
  fleet: FleetName,
  read: () => { key: PublicKey; claims: { fleet: FleetName } },
): PublicKey[] {
  try {
    const { key, claims } = read();
    return claims.fleet === fleet ? [key] : [];
  } catch (error) {
    if (error instanceof ContractError || error instanceof StatementRefused) return [];
    throw error;
  }
}
