/** Reads what the reports are made of: each fleet's manifest and the statuses of its hosts. */
import type { Bucket } from '#contract/bucket/bucket.ts';
import { type HostStatus, parseHostStatus } from '#contract/host-status.ts';
import { type FleetName, hostName, layout } from '#contract/layout.ts';
import { emptyManifest } from '#contract/manifest.ts';
import type { Config } from './config.ts';
import { readManifest } from './publish.ts';
import { type FleetReport, reportFleet } from './report.ts';

export async function readFleetReports(bucket: Bucket, config: Config, now: Date): Promise<FleetReport[]> {
  const fleets = [...new Set(config.certificates.flatMap((spec) => spec.fleets))];
  return Promise.all(
    fleets.map(async (fleet) => {
      const [read, statuses] = await Promise.all([readManifest(bucket, fleet), readStatuses(bucket, fleet)]);
      return reportFleet(read?.manifest ?? emptyManifest(fleet, now), statuses, now);
    }),
  );
}

async function readStatuses(bucket: Bucket, fleet: FleetName): Promise<HostStatus[]> {
  const keys = await bucket.list(layout.statuses(fleet));
  const statuses = await Promise.all(
    keys.map(async (key) => {
      const host = hostName.parse(key.slice(layout.statuses(fleet).length).replace(/\.json$/, ''));
      const object = await bucket.get(key);
      return object === undefined ? [] : [parseHostStatus(fleet, host, object.body)];
    }),
  );
  return statuses.flat();
}
