/** `pemfleet status`: what every host serves. Exits 1 if a host is behind or silent, or its status, or a fleet's manifest, cannot be read. */
import { readFleetReports } from '../fleet/read-reports.ts';
import type { FleetReport } from '../fleet/report.ts';
import { type Command, loadConfigAndBucket, now, print, printJson } from './command.ts';
import { EXIT, reportTable } from './output.ts';

export const statusCommand: Command = async (values) => {
  const { config, bucket } = await loadConfigAndBucket(values);
  const reports = await readFleetReports(bucket, config, now());
  if (values.json) printJson({ version: 1, fleets: reports });
  else print(reportTable(reports));
  return reports.every(isUpToDate) ? EXIT.ok : EXIT.failed;
};

function isUpToDate({ certificates, silent, unreadable, error }: FleetReport): boolean {
  const isReported = silent.length === 0 && unreadable.length === 0 && error === undefined;
  return isReported && certificates.every(({ behind }) => behind.length === 0);
}
