/** `pemfleet status`: what every host serves. Exits 1 if a host is behind, silent or does not follow what is published, or if its status, or a fleet's manifest, cannot be read. */
import { ContractError } from '#contract/errors.ts';
import type { Bucket } from '#storage/bucket.ts';
import { type Config, configuredFleets } from '../config/config.ts';
import { followsManifest } from '../fleet/host-report.ts';
import { readFleetReports } from '../fleet/read-reports.ts';
import type { FleetReport } from '../fleet/report.ts';
import type { OwnKeys } from '../publication/read-manifest.ts';
import { openSigningKey } from '../signing/signing-key.ts';
import { type Command, loadConfigAndBucket, now, print, printJson } from './command.ts';
import { EXIT } from './output.ts';
import { reportTable } from './report-table.ts';

export const statusCommand: Command = async (values) => {
  const { config, bucket } = await loadConfigAndBucket(values, 'read');
  const reports = await readFleetReports({ bucket, keys: await keysOrNone(bucket, config) }, config, now());
  if (values.json) printJson({ version: 1, fleets: reports });
  else print(reportTable(reports));
  return reports.every(isUpToDate) ? EXIT.ok : EXIT.failed;
};

function isUpToDate({ certificates, silent, unreadable, hosts, error }: FleetReport): boolean {
  const isReported = silent.length === 0 && unreadable.length === 0 && error === undefined;
  const follows = hosts.every(({ conditions }) =>
    followsManifest(conditions.map(({ condition }) => condition)),
  );
  return isReported && follows && certificates.every(({ behind }) => behind.length === 0);
}

/** Whoever has lost the key still wants to see the hosts: no manifest counts then, and each fleet says so. */
async function keysOrNone(bucket: Bucket, config: Config): Promise<OwnKeys> {
  const fleets = configuredFleets(config);
  try {
    return await openSigningKey(bucket, { fleets, dryRun: true });
  } catch (error) {
    if (error instanceof ContractError) return { isOurs: () => false };
    throw error;
  }
}
