/** Before a command puts another version in the place of one: who serves that one is recorded, because no pass may come in between. */
import { messageOf } from '#contract/errors.ts';
import type { CertificateName, FleetName } from '#contract/layout.ts';
import type { Bucket } from '#storage/bucket.ts';
import { readStatuses } from '../read-reports.ts';
import { servedVersions } from './changes.ts';
import { recordServed } from './record.ts';

/**
 * A host reports what it serves, and the next report takes that report's place: a version that comes and goes between two passes would be
 * on no record.
 * @returns what could not be recorded, in words; the change is made all the same
 */
export async function recordBeforeChange(
  bucket: Bucket,
  fleets: readonly FleetName[],
  names: readonly CertificateName[],
  now: Date,
): Promise<string[]> {
  const problems: string[] = [];
  for (const fleet of fleets) {
    const failures = await recordFleet(bucket, fleet, names, now).catch((error: unknown) => [error]);
    problems.push(...failures.map((error) => `fleet ${fleet}: ${messageOf(error)}`));
  }
  return problems;
}

/** @throws BucketError where statuses cannot be listed, or the store fails */
async function recordFleet(
  bucket: Bucket,
  fleet: FleetName,
  names: readonly CertificateName[],
  now: Date,
): Promise<unknown[]> {
  const { statuses } = await readStatuses(bucket, fleet);
  const changes = names.flatMap((certificate) =>
    statuses
      .filter(({ files }) => files.some((file) => file.certificate === certificate))
      .map((status) => ({
        ...{ fleet, certificate, host: status.host, at: new Date(status.reportedAt), before: undefined },
        served: servedVersions(status, certificate),
      })),
  );
  return (await recordServed(bucket, changes, now)).failures;
}
