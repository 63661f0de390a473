/** Reads what the reports are made of: each fleet's manifest and the statuses of its hosts. */
import { ContractError } from '#contract/errors.ts';
import { type HostStatus, parseHostStatus } from '#contract/host-status.ts';
import { type FleetName, hostName, layout } from '#contract/layout.ts';
import { emptyManifest } from '#contract/manifest.ts';
import type { Bucket } from '#storage/bucket.ts';
import type { Config } from '../config/config.ts';
import { readManifest } from '../publication/publisher.ts';
import { type FleetReport, reportFleet } from './report.ts';

export async function readFleetReports(bucket: Bucket, config: Config, now: Date): Promise<FleetReport[]> {
  const fleets = [...new Set(config.certificates.flatMap((spec) => spec.fleets))];
  return Promise.all(
    fleets.map(async (fleet) => {
      const [read, { statuses, unreadable }] = await Promise.all([
        readManifest(bucket, fleet),
        readStatuses(bucket, fleet),
      ]);
      return { ...reportFleet(read?.manifest ?? emptyManifest(fleet, now), statuses, now), unreadable };
    }),
  );
}

interface ReadStatuses {
  statuses: HostStatus[];
  unreadable: FleetReport['unreadable'];
}

/** One host's broken status is that host's failure, not the fleet's. */
async function readStatuses(bucket: Bucket, fleet: FleetName): Promise<ReadStatuses> {
  const keys = await bucket.list(layout.statuses(fleet));
  const read = await Promise.all(keys.map((key) => readStatus(bucket, fleet, key)));
  return {
    statuses: read.flatMap((item) => (item !== undefined && isStatus(item) ? [item] : [])),
    unreadable: read.flatMap((item) => (item !== undefined && !isStatus(item) ? [item] : [])),
  };
}

async function readStatus(
  bucket: Bucket,
  fleet: FleetName,
  key: string,
): Promise<HostStatus | { host: string; code: string } | undefined> {
  const stem = key.slice(layout.statuses(fleet).length).replace(/\.json$/, '');
  const host = hostName.safeParse(stem);
  if (!host.success) return { host: stem, code: 'ERR_STATUS_SCHEMA' };
  const object = await bucket.get(key);
  try {
    return object && parseHostStatus(fleet, host.data, object.body);
  } catch (error) {
    if (error instanceof ContractError) return { host: stem, code: error.code };
    throw error;
  }
}

function isStatus(item: HostStatus | { host: string; code: string }): item is HostStatus {
  return 'files' in item;
}
