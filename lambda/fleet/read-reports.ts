/** Reads what the reports are made of: each fleet's manifest and the statuses of its hosts. */
import { ContractError } from '#contract/errors.ts';
import { type HostStatus, parseHostStatus } from '#contract/host-status.ts';
import { type FleetName, hostName, layout } from '#contract/layout.ts';
import { emptyManifest } from '#contract/manifest.ts';
import type { Bucket } from '#storage/bucket.ts';
import type { Config } from '../config/config.ts';
import { readManifest } from '../publication/publisher.ts';
import { type FleetReport, type FleetStatuses, reportFleet, type UnreadableStatus } from './report.ts';

export async function readFleetReports(bucket: Bucket, config: Config, now: Date): Promise<FleetReport[]> {
  const fleets = [...new Set(config.certificates.flatMap((spec) => spec.fleets))];
  return Promise.all(
    fleets.map(async (fleet) => {
      const [read, statuses] = await Promise.all([readManifest(bucket, fleet), readStatuses(bucket, fleet)]);
      return reportFleet(read?.manifest ?? emptyManifest(fleet, now), statuses, now);
    }),
  );
}

async function readStatuses(bucket: Bucket, fleet: FleetName): Promise<FleetStatuses> {
  const keys = await bucket.list(layout.statuses(fleet));
  const read = await Promise.all(keys.map((key) => readStatus(bucket, fleet, key)));
  return {
    statuses: read.flatMap((item) => (item !== undefined && isStatus(item) ? [item] : [])),
    unreadable: read.flatMap((item) => (item !== undefined && !isStatus(item) ? [item] : [])),
  };
}

/** One host's broken status is that host's failure, not the fleet's. @returns undefined if it vanished after the listing */
async function readStatus(
  bucket: Bucket,
  fleet: FleetName,
  key: string,
): Promise<HostStatus | UnreadableStatus | undefined> {
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

function isStatus(item: HostStatus | UnreadableStatus): item is HostStatus {
  return 'files' in item;
}
