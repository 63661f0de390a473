/**
 * The end of a pass, however it went: notifies the fleets that have changed, reads what the hosts report, and sums up what is wrong, and in
 * figures.
 */
import { startDeadline } from '#common/deadline.ts';
import { SECOND_MS } from '#common/time.ts';
import { codeOf, messageOf } from '#contract/errors.ts';
import type { FleetName } from '#contract/layout.ts';
import type { Bucket } from '#storage/bucket.ts';
import { type Config, configuredFleets } from '../config/config.ts';
import { type AlarmTopic, announceRises } from '../figures/announce-rises.ts';
import { completeManifests, publishedFacts, type RecordFacts, readRecordFacts } from '../figures/facts.ts';
import { incompleteLevels } from '../figures/incomplete.ts';
import { metricsOf, type PassMetrics } from '../figures/metrics.ts';
import { type Problem, type ProblemFacts, problemsOf } from '../figures/problems.ts';
import { lagSinceOf, type PublishedManifest } from '../fleet/behind.ts';
import { nextEndedOrders } from '../fleet/ended-pems.ts';
import {
  type HostSummaries,
  NO_SUMMARIES,
  type RefreshOptions,
  readHostSummaries,
  refreshHostSummaries,
  saveHostSummaries,
} from '../fleet/hosts.ts';
import { withoutMovedHosts } from '../fleet/moved.ts';
import { notifyFleets } from '../fleet/notify.ts';
import type { FleetNotifier } from '../fleet/run-command.ts';
import { ServedChanges } from '../fleet/served/changes.ts';
import { keepServed } from '../fleet/served/keep.ts';
import { reportingNow, strayFleets } from '../fleet/stray-fleets.ts';
import { notifyChanges } from '../notification/notify-changes.ts';
import { type FailedAttempts, nextFailures, nextPostponed } from '../order/failures.ts';
import type { PassResult } from '../outcome.ts';
import type { Pass } from '../pass.ts';
import { version1Etag } from '../publication/read-manifest.ts';
import { readRevocationsInPass } from '../replacement/in-pass.ts';
import { revokingDigests } from '../replacement/revocations.ts';
import { isHeldIn, readHoldsInPass } from './operator/held.ts';

const NO_RECORDS: RecordFacts = { failing: [], orderedSince: new Map() };
/** Names in one event. */
const MAX_HOSTS = 20;
/** Reading the statuses has this long at least, however late the pass is. */
const MIN_READ_MS = 10 * SECOND_MS;

/** Whatever cannot be read, the hosts are called and the metrics are there; what failed is logged, and is one failure. */
export interface PassEnd {
  metrics: PassMetrics;
  /** What the metrics count, the worst first. */
  problems: Problem[];
  /** Listings that failed, a book that could not be read or written. */
  failures: unknown[];
}

/** Who is told of it. */
interface Audience {
  /** Of the alarms; undefined: the log has the names. */
  topic?: AlarmTopic | undefined;
  /** What has changed is kept for the channels of `notify`: `sendPending` sends it, when nothing waits for it. Absent: as of a dry run. */
  isTold?: boolean | undefined;
}

/** Between two passes: what is published and what hosts report, without a decision about certificates. */
export function noPass(config: Config): PassResult {
  const fleets = configuredFleets(config);
  return { outcomes: [], manifests: new Map(), configuredFleets: fleets, changed: [] };
}

/**
 * @param pass with those who are told
 * @param notifier undefined: the hosts only poll
 */
export async function afterPass(
  pass: Pick<Pass, 'bucket' | 'config' | 'log' | 'timing'> & Audience,
  notifier: FleetNotifier | undefined,
  given: PassResult,
): Promise<PassEnd> {
  const { bucket, config, log, timing } = pass;
  const now = timing.now();
  const deadline = startDeadline(Math.max(MIN_READ_MS, timing.deadline.getTime() - now.getTime()));
  const failures: unknown[] = [];
  const orElse = <T>(work: Promise<T>, instead: T): Promise<T> =>
    work.catch((error: unknown) => {
      failures.push(error);
      return instead;
    });
  try {
    const complete = { ...given, ...(await completeManifests(bucket, config, given).catch(() => given)) };
    const result = { ...complete, isHeld: complete.isHeld ?? (await readHeld(pass, complete)) };
    // Without the book all statuses are read again.
    const stored = await orElse(readHostSummaries(bucket), undefined);
    const before = stored ?? NO_SUMMARIES;
    const { calls, failedCalls, failedChecks } = notifier
      ? await notifyFleets({ notifier, log, now }, before, result)
      : { calls: before.calls, failedCalls: [], failedChecks: [] };
    const known = fleetsOf(result);
    const stray = await orElse(strayFleets(bucket, [...known, ...configuredFleets(config)]), []);
    const all = [...known, ...stray];
    const served = new ServedChanges();
    const names: ReadonlySet<string> = new Set(config.certificates.map(({ name }) => name));
    const options = { now, keys: result.keys, deadline, served, configured: names };
    const read = await readHosts(pass, before.fleets, all, options);
    failures.push(...read.failures);
    const kept = await keepServed(bucket, read.fleets, served, { now, deadline });
    failures.push(...kept.failures);
    const etags = await orElse(version1Etags(bucket, result, kept.fleets), new Map());
    const published = publishedOf(result, etags);
    const fleets = withLags(kept.fleets, published, before.fleets);
    const attempts = nextFailures(before.failures, result.outcomes, names, now);
    const postponed = nextPostponed(before.postponed, result.outcomes, names);
    const current = [...result.manifests.values()].flatMap((one) => one?.manifest ?? []);
    const claims = { hosts: before.fleets, manifests: current };
    const endedOrders = nextEndedOrders(before.endedOrders, claims, now);
    const book = { ...before, calls, failedCalls, failures: attempts, postponed, fleets, endedOrders };
    await orElse(saveHostSummaries(bucket, book, before), undefined);
    const recorded = result.isIdle
      ? NO_RECORDS
      : await orElse(readRecordFacts(bucket, config, now), undefined);
    const records = recorded ?? NO_RECORDS;
    for (const error of failures) log('status.failed', { code: codeOf(error), error: messageOf(error) });
    const { configuredFleets: configured = Object.keys(fleets) } = result;
    const summaries = withoutMovedHosts(fleets, configured);
    const facts: ProblemFacts = {
      ...{ outcomes: result.outcomes, failing: [...failingIn(attempts), ...records.failing], now },
      ...publishedFacts(config, result.manifests, records),
      isHeld: result.isHeld,
      failedCalls: [...failedCalls, ...failedChecks],
      fleets: all.map((fleet) => {
        // Those that cannot be read may have come.
        const expected = read.failures.length > 0 ? undefined : config.hosts.expected[fleet];
        const hosts = summaries[fleet] ?? {};
        const present = stray.includes(fleet) ? reportingNow(hosts, now) : hosts;
        return { fleet, summaries: present, manifest: published.get(fleet), expected };
      }),
    };
    const problems = problemsOf(facts);
    const incomplete = incompleteLevels({
      records: recorded === undefined,
      manifests: hasUnreadManifest(config, result),
      statuses: read.failures.length > 0,
      summaries: stored === undefined,
    });
    const metrics = metricsOf({ ...facts, isComplete: result.error === undefined, incomplete }, problems);
    const { wakeMinutes } = config;
    await announceRises({ ...pass, now, wakeMinutes }, problems, incomplete);
    if (config.notify !== undefined && pass.isTold) {
      const options = { bucket, log, now, settings: config.notify, channels: new Map() };
      const known = { facts, problems, incomplete, manifests: result.manifests, configured: names };
      await notifyChanges({ ...options, wakeMinutes, withinMs: 0 }, known);
    }
    return { metrics, problems, failures };
  } finally {
    deadline.clear();
  }
}

/** Between two passes, and after one that could not begin: what an operator holds is late on purpose then, too. */
async function readHeld(
  pass: Pick<Pass, 'bucket' | 'log' | 'timing'>,
  { manifests }: PassResult,
): Promise<PassResult['isHeld']> {
  if (manifests.size === 0) return undefined;
  const holds = await readHoldsInPass(pass);
  const revoked = revokingDigests(await readRevocationsInPass(pass));
  return isHeldIn({ holds, manifests, revoked }, pass.timing.now());
}

function failingIn(attempts: FailedAttempts): ProblemFacts['failing'] {
  return Object.entries(attempts).map(([certificate, { code, message, since, attempts: times }]) => {
    return { certificate, code, message, since, attempts: times };
  });
}

async function readHosts(
  { bucket, log }: Pick<Pass, 'bucket' | 'log'>,
  stored: HostSummaries['fleets'],
  fleets: readonly FleetName[],
  options: RefreshOptions,
): ReturnType<typeof refreshHostSummaries> {
  const read = await refreshHostSummaries(bucket, stored, fleets, options);
  for (const [fleet, summaries] of Object.entries(read.fleets)) {
    const unreadable = Object.entries(summaries).filter(([, { isUnreadable }]) => isUnreadable);
    if (unreadable.length === 0) continue;
    const hosts = unreadable.slice(0, MAX_HOSTS).map(([host, { error }]) => `${host}: ${error}`);
    log('status.unreadable', { fleet, count: unreadable.length, hosts });
  }
  return read;
}

function hasUnreadManifest(config: Config, { manifests, unreadable = [] }: PassResult): boolean {
  return unreadable.length > 0 || configuredFleets(config).some((fleet) => !manifests.has(fleet));
}

/** Also those whose manifest cannot be read. */
function fleetsOf({ manifests, unreadable = [] }: PassResult): FleetName[] {
  return [...new Set([...manifests.keys(), ...unreadable])];
}

/** Of fleets with a host whose agent reads no root: what it acted on is known by the ETag of version 1 only. */
async function version1Etags(
  bucket: Bucket,
  { manifests }: PassResult,
  summaries: HostSummaries['fleets'],
): Promise<ReadonlyMap<FleetName, string>> {
  const etags = new Map<FleetName, string>();
  for (const [fleet, read] of manifests) {
    const isNeeded = Object.values(summaries[fleet] ?? {}).some(({ head }) => head === undefined);
    if (read !== undefined && isNeeded) etags.set(fleet, await version1Etag(bucket, fleet, read));
  }
  return etags;
}

type Published = ReadonlyMap<FleetName, PublishedManifest>;

function publishedOf({ manifests }: PassResult, etags: ReadonlyMap<FleetName, string>): Published {
  const all = [...manifests].flatMap(([fleet, read]) => {
    if (read === undefined) return [];
    const { updatedAt, certificates } = read.manifest;
    const times = Object.entries(certificates).map(([certificate, { publishedAt }]) => {
      return { certificate, publishedAt: new Date(publishedAt) };
    });
    const newest = times.sort((a, b) => b.publishedAt.getTime() - a.publishedAt.getTime());
    const etag = etags.get(fleet) ?? read.etag;
    return [[fleet, { etag, updatedAt: new Date(updatedAt), newest }] as const];
  });
  return new Map(all);
}

/** What a host lacks, it lacks since an earlier pass has said so. */
function withLags(
  fleets: HostSummaries['fleets'],
  published: Published,
  before: HostSummaries['fleets'],
): HostSummaries['fleets'] {
  return Object.fromEntries(
    Object.entries(fleets).map(([fleet, summaries]) => {
      const manifest = published.get(fleet as FleetName);
      const dated = Object.entries(summaries).map(([host, { lagSince: _, ...summary }]) => {
        const lagSince = lagSinceOf(summary, manifest, before[fleet]?.[host]);
        return [host, { ...summary, ...(lagSince && { lagSince }) }];
      });
      return [fleet, Object.fromEntries(dated)];
    }),
  );
}
