/** Reads the statuses of hosts. Whatever a host puts in the place of its status is that host's failure, and no other's. */
import { MINUTE_MS } from '#common/time.ts';
import { ContractError, isObjectFault } from '#contract/errors.ts';
import { type HostStatus, parseHostStatus } from '#contract/host-status.ts';
import { documentName, type FleetName, hostName, layout } from '#contract/layout.ts';
import type { Bucket, ListedObject } from '#storage/bucket.ts';

/** A status as the bucket lists it. */
export interface StatusEntry extends ListedObject {
  fleet: FleetName;
  /** What the key names; whether it is a host's name is not said. */
  host: string;
}

/** A host whose status this version cannot read. */
export interface UnreadableStatus {
  host: string;
  code: string;
  /** When the object was written, by the store's clock. */
  writtenAt: string;
}

/** A status as it was read. `reportedAt` is the store's time of the object: nobody is silent, or alive, by a wrong clock. */
export interface ReadStatus extends HostStatus {
  /** By how much the host's clock was ahead of the store's when it reported, in ms (behind: negative); absent: they agree. */
  clockOffsetMs?: number;
}

/** A host dates its report and writes it at once; a write may be tried three times, which looks like a clock that is behind. */
const [AHEAD_MS, BEHIND_MS] = [MINUTE_MS, 2 * MINUTE_MS];
/** A report of 1 MiB has some 35,000; a megabyte of `{}`, under a name that nobody knows, takes thirty of memory. */
const BOUNDS = { maxValues: 100_000 };
/** Keys that name no host are told of, but not all of them: anybody who may write below the prefix makes them up. */
const MAX_BAD_NAMES = 100;

/** @throws BucketError */
export async function listStatuses(bucket: Bucket, fleet: FleetName): Promise<StatusEntry[]> {
  const prefix = layout.statuses(fleet);
  const all = (await bucket.entries(prefix)).map((entry) => {
    return { ...entry, fleet, host: documentName(prefix, entry.key) };
  });
  const [named, bad] = [all.filter(isNamed), all.filter((entry) => !isNamed(entry))];
  return [...named, ...bad.slice(0, MAX_BAD_NAMES)];
}

/**
 * @param onRead gets the size of the body, before it is parsed
 * @returns undefined if it has vanished since the listing
 * @throws BucketError that is the store's fault, not the host's
 */
export async function readHostStatus(
  bucket: Bucket,
  { fleet, host, key, modifiedAt }: StatusEntry,
  onRead?: (bytes: number) => void,
): Promise<ReadStatus | UnreadableStatus | undefined> {
  const name = hostName.safeParse(host);
  const writtenAt = modifiedAt.toISOString();
  if (!name.success) return { host, code: 'ERR_STATUS_SCHEMA', writtenAt };
  try {
    const object = await bucket.get(key);
    onRead?.(object?.body.length ?? 0);
    const status = object && parseHostStatus(fleet, name.data, object.body, BOUNDS);
    return status && { ...status, reportedAt: writtenAt, ...offsetIn(status, modifiedAt) };
  } catch (error) {
    if (error instanceof ContractError || isObjectFault(error)) return { host, code: error.code, writtenAt };
    throw error;
  }
}

function offsetIn({ reportedAt }: HostStatus, modifiedAt: Date): Pick<ReadStatus, 'clockOffsetMs'> {
  const offsetMs = Date.parse(reportedAt) - modifiedAt.getTime();
  return offsetMs > AHEAD_MS || offsetMs < -BEHIND_MS ? { clockOffsetMs: offsetMs } : {};
}

export function isReadable(status: ReadStatus | UnreadableStatus): status is ReadStatus {
  return 'files' in status;
}

function isNamed({ host }: StatusEntry): boolean {
  return hostName.safeParse(host).success;
}
