/** Reads what the reports are made of: each fleet's manifest and the statuses of its hosts. */
import { inParallel } from '#common/in-parallel.ts';
import { BucketError, ContractError, messageOf } from '#contract/errors.ts';
import { type FleetName, layout } from '#contract/layout.ts';
import { emptyManifest } from '#contract/manifest.ts';
import type { Bucket } from '#storage/bucket.ts';
import { type Config, configuredFleets, namesOfFleet } from '../config/config.ts';
import { publishedFleets } from '../publication/fleets.ts';
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

/**
 * The configured fleets, and those that something was published to before. One fleet's broken manifest, or a listing that fails, is that
 * fleet's `error`; the others are reported.
 */
export async function readFleetReports(
  { bucket, keys }: ReportSource,
  config: Config,
  now: Date,
): Promise<FleetReport[]> {
  const configured = new Set(configuredFleets(config));
  const listed = await readOrFault(() => publishedFleets(bucket));
  const others = (listed.value ?? []).filter((fleet) => !configured.has(fleet));
  const reports: FleetReport[] = [];
  const last: LastReports = new Map();
  for (const fleet of configured) {
    reports.push((await readReport({ bucket, keys, config, last }, fleet, now)).report);
  }
  for (const fleet of others) {
    const { report, isFleet } = await readReport({ bucket, keys, config, last }, fleet, now);
    if (isFleet) reports.push(report);
  }
  return listed.error === undefined ? reports : [...reports, unlistedFleets(listed.error)];
}

/** By host: when it last reported in a configured fleet. */
type LastReports = Map<string, string>;

/** A host of a fleet that no certificate names any more, and that reports in another one since, has moved there. */
function withoutMoved(read: FleetStatuses, isConfigured: boolean, last: LastReports): FleetStatuses {
  if (isConfigured) {
    for (const { host, reportedAt } of read.statuses) {
      if (reportedAt > (last.get(host) ?? '')) last.set(host, reportedAt);
    }
    return read;
  }
  const statuses = read.statuses.filter(({ host, reportedAt }) => reportedAt >= (last.get(host) ?? ''));
  return { ...read, statuses };
}

async function readReport(
  { bucket, keys, config, last }: ReportSource & { config: Config; last: LastReports },
  fleet: FleetName,
  now: Date,
): Promise<{ report: FleetReport; isFleet: boolean }> {
  const configured = namesOfFleet(config.certificates, fleet);
  const statuses = await readOrFault(() => readStatuses(bucket, fleet));
  const published = await readOrFault(() => readManifest(bucket, fleet, keys));
  const manifest = published.value?.manifest ?? emptyManifest(fleet, now);
  const etag = published.value && (await version1Etag(bucket, fleet, published.value));
  const read = withoutMoved(statuses.value ?? { statuses: [], unreadable: [] }, configured.size > 0, last);
  const report = reportFleet(manifest, { ...read, etag, keys, configured }, now);
  const error = published.error ?? statuses.error;
  // A folder in which nothing of ours is published, and of which no host reports, is none.
  const isFleet = published.value !== undefined || read.statuses.length > 0;
  if (error === undefined) return { report, isFleet };
  return { report: { ...report, error: { code: error.code, message: messageOf(error) } }, isFleet };
}

/** Fleets that are not configured any more are unknown. */
function unlistedFleets({ code, message }: BucketError | ContractError): FleetReport {
  const nothing = { certificates: [], silent: [], left: [], unreadable: [], hosts: [], ended: [] };
  return { fleet: layout.publishedFleets, ...nothing, error: { code, message } };
}

/** @throws BucketError where they cannot be listed, or the store fails */
export async function readStatuses(bucket: Bucket, fleet: FleetName): Promise<FleetStatuses> {
  const entries = await listStatuses(bucket, fleet);
  const read = await inParallel(
    entries,
    CONCURRENCY,
    (entry) => readHostStatus(bucket, entry),
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
