/** `pemfleet status`: what every host serves; exit status 1 if any host is behind or silent. */
import { readFleetReports } from '../fleet/read-reports.ts';
import { type Command, now, open, print, printJson } from './command.ts';
import { EXIT, reportTable } from './output.ts';

export const statusCommand: Command = async (values) => {
  const { config, bucket } = await open(values);
  const reports = await readFleetReports(bucket, config, now());
  if (values.json) printJson({ version: 1, fleets: reports });
  else print(reportTable(reports));
  const isFine = reports.every(
    ({ certificates, silent, unreadable }) =>
      silent.length + unreadable.length === 0 && certificates.every(({ behind }) => behind.length === 0),
  );
  return isFine ? EXIT.ok : EXIT.failed;
};
