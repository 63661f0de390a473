/** Reads what the reports are made of: each fleet's manifest and the statuses of its hosts. */
import { inParallel } from '#common/in-parallel.ts';
import { BucketError, ContractError, messageOf } from '#contract/errors.ts';
import type { FleetName } from '#contract/layout.ts';
import { emptyManifest } from '#contract/manifest.ts';
import type { Bucket } from '#storage/bucket.ts';
import type { Config } from '../config/config.ts';
import { type OwnKeys, readManifest, version1Etag } from '../publication/read-manifest.ts';
import { isReadable, listStatuses, readHostStatus } from './read-status.ts';
import { type FleetReport, type FleetStatuses, reportFleet } from './report.ts';

/** Statuses that are read at the same time. */
const CONCURRENCY = 10;

export interface ReportSource {
  bucket: Bucket;
  /** Whose manifests count. */
  keys: OwnKeys;
}

/** One fleet's broken manifest, or a listing that fails, is that fleet's `error`; the others are reported. */
export async function readFleetReports(
  { bucket, keys }: ReportSource,
  config: Config,
  now: Date,
): Promise<FleetReport[]> {
  const reports: FleetReport[] = [];
  for (const fleet of new Set(config.certificates.flatMap((spec) => spec.fleets))) {
    reports.push(await readReport({ bucket, keys }, fleet, now));
  }
  return reports;
}

async function readReport({ bucket, keys }: ReportSource, fleet: FleetName, now: Date): Promise<FleetReport> {
  const statuses = await readOrFault(() => readStatuses(bucket, fleet, now));
  const published = await readOrFault(() => readManifest(bucket, fleet, keys));
  const manifest = published.value?.manifest ?? emptyManifest(fleet, now);
  const etag = published.value && (await version1Etag(bucket, fleet, published.value));
  const read = statuses.value ?? { statuses: [], unreadable: [] };
  const report = reportFleet(manifest, { ...read, etag, keys }, now);
  const error = published.error ?? statuses.error;
  return error === undefined ? report : { ...report, error: { code: error.code, message: messageOf(error) } };
}

/** @throws BucketError where they cannot be listed, or the store fails */
export async function readStatuses(bucket: Bucket, fleet: FleetName, now: Date): Promise<FleetStatuses> {
  const entries = await listStatuses(bucket, fleet);
  const read = await inParallel(
    entries,
    CONCURRENCY,
    (entry) => readHostStatus(bucket, entry, now),
    ({ key }) => key,
  );
  const present = read.filter((status) => status !== undefined);
  return {
    statuses: present.filter(isReadable),
    unreadable: present.flatMap((status) => (isReadable(status) ? [] : [status])),
  };
}

async function readOrFault<T>(
  read: () => Promise<T>,
): Promise<{ value?: T; error?: BucketError | ContractError }> {
  try {
    return { value: await read() };
  } catch (error) {
    if (error instanceof ContractError || error instanceof BucketError) return { error };
    throw error;
  }
}
