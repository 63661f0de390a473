/** Reads what the reports are made of: each fleet's manifest and the statuses of its hosts. */
import { inParallel } from '#common/in-parallel.ts';
import { BucketError, ContractError, messageOf } from '#contract/errors.ts';
import { type FleetName, layout } from '#contract/layout.ts';
import { emptyManifest, type Manifest } from '#contract/manifest.ts';
import type { Bucket } from '#storage/bucket.ts';
import { type Config, configuredFleets, namesOfFleet, specsOfFleet } from '../config/config.ts';
import type { FailedAttempts } from '../order/failures.ts';
import { type OrderRecords, readOrderRecords } from '../order/record.ts';
import { IssuerMemory } from '../publication/ended.ts';
import { publishedFleets } from '../publication/fleets.ts';
import { type OwnKeys, readManifest, version1Etag } from '../publication/read-manifest.ts';
import { isSilent } from './behind.ts';
import { highestSequence, ownHeads } from './heads.ts';
import { NO_SUMMARIES, readHostSummaries } from './hosts.ts';
import { isReadable, listStatuses, type ReadStatus, readHostStatus } from './read-status.ts';
import { type FleetReport, type FleetStatuses, reportFleet } from './report.ts';
import { type KnownTexts, leanStatus, noTexts } from './statuses/lean-status.ts';
import { MemoryInBetween } from './statuses/memory-in-between.ts';
import { strayFleets } from './stray-fleets.ts';

/** Statuses that are read at the same time. */
const CONCURRENCY = 10;

export interface ReportSource {
  bucket: Bucket;
  /** Whose manifests count. */
  keys: OwnKeys;
  /** Of a command that reads manifests more than once. */
  memory?: IssuerMemory | undefined;
  /** This fleet only. */
  only?: FleetName | undefined;
  /** Called as statuses are read. */
  onProgress?: ((progress: ReadProgress) => void) | undefined;
  /** Gets what a report was made of, which is more than the report keeps. */
  onFleet?: ((read: FleetSources) => void) | undefined;
}

/** What the report of a fleet is made of. */
export interface FleetSources {
  report: FleetReport;
  /** Empty where it cannot be read, or nothing is published. */
  manifest: Manifest;
  statuses: readonly ReadStatus[];
}

export interface ReadProgress {
  fleet: FleetName;
  done: number;
  all: number;
}

/** What the reports of all fleets share. */
interface ReportContext extends ReportSource {
  config: Config;
  last: LastReports;
  /** Of their hosts, those that report now count. */
  stray: ReadonlySet<FleetName>;
  records: OrderRecords['records'];
  failures: FailedAttempts;
}

/**
 * The configured fleets, and those that something was published to before. One fleet's broken manifest, or a listing that fails, is that
 * fleet's `error`; the others are reported.
 */
export async function readFleetReports(
  source: ReportSource,
  config: Config,
  now: Date,
): Promise<FleetReports> {
  const { bucket, only, onFleet } = source;
  const isWanted = (fleet: FleetName) => only === undefined || fleet === only;
  const configured = new Set(configuredFleets(config));
  const listed = await readOrFault(() => publishedFleets(bucket));
  const others = (listed.value ?? []).filter((fleet) => !configured.has(fleet));
  const known = [...configured, ...others];
  const stray = new Set((await readOrFault(() => strayFleets(bucket, known))).value);
  const { records, unreadable, error } = await readOrderRecords(bucket);
  // Failures are lost with the book, not the report.
  const { failures } = (await readOrFault(() => readHostSummaries(bucket))).value ?? NO_SUMMARIES;
  const context: ReportContext = { ...source, config, last: new Map(), stray, records, failures };
  const fleets: FleetReport[] = [];
  for (const fleet of [...configured].filter(isWanted)) {
    const { report, sources } = await readReport(context, fleet, now);
    fleets.push(report);
    onFleet?.({ ...sources, report });
  }
  for (const fleet of [...others, ...stray].filter(isWanted)) {
    const { report, isFleet, sources } = await readReport(context, fleet, now);
    if (!isFleet) continue;
    fleets.push(report);
    onFleet?.({ ...sources, report });
  }
  const unlisted = only === undefined && listed.error ? [unlistedFleets(listed.error)] : [];
  const faults = [...unreadable].map(([certificate, reason]) => ({ certificate, ...faultOf(reason) }));
  const unreadableOrders = [...faults, ...(error ? [faultOf(error)] : [])];
  return { fleets: [...fleets, ...unlisted], unreadableOrders };
}

export interface FleetReports {
  fleets: FleetReport[];
  /** Order records that cannot be read: whether these certificates fail is unknown. Without a name: all of them. */
  unreadableOrders: { certificate?: string; code: string; message: string }[];
}

function faultOf(error: ContractError | BucketError): { code: string; message: string } {
  return { code: error.code, message: messageOf(error) };
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

function withoutSilent({ statuses }: FleetStatuses, now: Date): FleetStatuses {
  return {
    statuses: statuses.filter(({ reportedAt }) => !isSilent(new Date(reportedAt), now)),
    unreadable: [],
  };
}

async function readReport(
  context: ReportContext,
  fleet: FleetName,
  now: Date,
): Promise<{ report: FleetReport; isFleet: boolean; sources: Omit<FleetSources, 'report'> }> {
  const { bucket, keys, config, last, stray, records, failures, onProgress } = context;
  const { memory = new IssuerMemory(bucket) } = context;
  const configured = namesOfFleet(config.certificates, fleet);
  const statuses = await readOrFault(() => readStatuses(bucket, fleet, onProgress));
  const published = await readOrFault(() => readManifest(bucket, fleet, keys, memory));
  const manifest = published.value?.manifest ?? emptyManifest(fleet, now);
  const { value: root } = published;
  const version1 = root ? await readOrFault(() => version1Etag(bucket, fleet, root)) : {};
  const all = withoutMoved(statuses.value ?? { statuses: [], unreadable: [] }, configured.size > 0, last);
  const read = stray.has(fleet) ? withoutSilent(all, now) : all;
  const isNone = published.error === undefined && published.value === undefined;
  const isLost = isNone && (await readOrFault(() => memory.hadRoot(fleet))).value;
  const specs = published.error ? undefined : specsOfFleet(config.certificates, fleet);
  // Where statuses cannot be listed, nobody knows who is missing.
  const expected = statuses.error ? undefined : config.hosts.expected[fleet];
  const facts = { etag: version1.value, keys, configured, specs, records, failures, expected, isLost };
  const report = reportFleet(manifest, { ...read, ...facts }, now);
  const error = published.error ?? version1.error ?? statuses.error;
  // A folder in which nothing of ours is published, and of which no host reports, is none.
  const isFleet = published.value !== undefined || read.statuses.length > 0;
  const sources = { manifest, statuses: read.statuses };
  if (error === undefined) return { report, isFleet, sources };
  return { report: { ...report, error: { code: error.code, message: messageOf(error) } }, isFleet, sources };
}

/** Fleets that are not configured any more are unknown. */
function unlistedFleets({ code, message }: BucketError | ContractError): FleetReport {
  const nothing = { certificates: [], missing: [], present: 0, silent: [], left: [], unreadable: [] };
  return { fleet: layout.publishedFleets, ...nothing, hosts: [], ended: [], error: { code, message } };
}

/** @throws BucketError where they cannot be listed, or the store fails */
export async function readStatuses(
  bucket: Bucket,
  fleet: FleetName,
  onProgress?: ReportSource['onProgress'],
): Promise<Pick<FleetStatuses, 'statuses' | 'unreadable'>> {
  const entries = await listStatuses(bucket, fleet);
  const [texts, memory]: [KnownTexts, MemoryInBetween] = [noTexts(), new MemoryInBetween()];
  let done = 0;
  const read = await inParallel(
    entries,
    CONCURRENCY,
    async (entry) => {
      const status = await readHostStatus(bucket, entry, (bytes) => memory.spent(bytes));
      done += 1;
      onProgress?.({ fleet, done, all: entries.length });
      return status && isReadable(status) ? leanStatus(status, texts) : status;
    },
    ({ key }) => key,
  );
  memory.end();
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

/** The floor of a publisher outside of a pass, which knows no summaries: hosts may have read a root that is lost since. @throws BucketError */
export async function readHighestSequence(
  bucket: Bucket,
  fleet: FleetName,
  { keys, now }: { keys: OwnKeys; now: Date },
): Promise<number> {
  const { statuses } = await readStatuses(bucket, fleet);
  return highestSequence(ownHeads(statuses, keys, now).values());
}
