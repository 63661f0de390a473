/** What hosts say that they have read and obeyed: an issuer that has lost its own memory of its keys asks theirs. */
import { inParallel } from '#common/in-parallel.ts';
import { ContractError, isObjectFault } from '#contract/errors.ts';
import { type HostStatus, parseHostStatus } from '#contract/host-status.ts';
import { documentName, type FleetName, hostName, layout } from '#contract/layout.ts';
import { readHead } from '#contract/root.ts';
import type { Bucket } from '#storage/bucket.ts';

/** Statuses that are read at the same time. */
const CONCURRENCY = 10;

/** Nothing here is proved but that somebody has signed it. */
export interface ReportedWords {
  /** Of the recovery key, as hosts have obeyed them. */
  statements: readonly string[];
  /** Of the roots that hosts have acted on, whoever signed them. */
  heads: readonly { lineage: string; sequence: number }[];
  /** That hosts trust: one whose fleet was renamed has no root of it yet. */
  keys: readonly string[];
}

/** Of every host. @throws BucketError where they cannot be listed, or the store fails */
export async function readReportedWords(
  bucket: Bucket,
  fleets: readonly FleetName[],
): Promise<ReportedWords> {
  const [statements, trusted] = [new Set<string>(), new Set<string>()];
  const heads: ReportedWords['heads'][number][] = [];
  for (const fleet of fleets) {
    const keys = (await bucket.list(layout.statuses(fleet))).filter((key) => isOfHost(fleet, key));
    await inParallel(
      keys,
      CONCURRENCY,
      async (key) => {
        const status = await readStatusOf(bucket, fleet, key);
        if (status === undefined) return;
        const { trust } = status;
        if (trust !== undefined) trusted.add(trust.key);
        if (trust?.recovery !== undefined) statements.add(trust.recovery);
        heads.push(...headsIn(status));
      },
      (key) => key,
    );
  }
  return { statements: [...statements], heads, keys: [...trusted] };
}

function headsIn({ fleet, head }: HostStatus): ReportedWords['heads'] {
  if (head === undefined) return [];
  try {
    const { lineage, sequence } = readHead(head, layout.root(fleet)).claims;
    return [{ lineage, sequence }];
  } catch (error) {
    if (error instanceof ContractError) return [];
    throw error;
  }
}

/** @returns undefined if it has vanished, or cannot be read: whatever a host puts in the place of its status, others are asked */
export async function readStatusOf(
  bucket: Bucket,
  fleet: FleetName,
  key: string,
): Promise<HostStatus | undefined> {
  const host = hostOf(fleet, key);
  if (host === undefined) return undefined;
  try {
    const object = await bucket.get(key);
    return object && parseHostStatus(fleet, host, object.body);
  } catch (error) {
    if (error instanceof ContractError || isObjectFault(error)) return undefined;
    throw error;
  }
}

/** Whether a host's status has this key. */
export function isOfHost(fleet: FleetName, key: string): boolean {
  return hostOf(fleet, key) !== undefined;
}

function hostOf(fleet: FleetName, key: string) {
  return hostName.safeParse(documentName(layout.statuses(fleet), key)).data;
}
