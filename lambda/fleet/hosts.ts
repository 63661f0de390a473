/**
 * A summary of every host's last status, kept with the ETag of that status: a pass reads only the statuses that have
 * changed, and none where no host has reported. Beside them, the commands to the hosts whose result is still open.
 */
import * as z from 'zod';
import { type Deadline, DeadlinePassed } from '#common/deadline.ts';
import { inParallel } from '#common/in-parallel.ts';
import { BucketError } from '#contract/errors.ts';
import { type FleetName, fleetName, layout } from '#contract/layout.ts';
import type { Bucket } from '#storage/bucket.ts';
import { instant, readCached, serializeCached } from '#storage/cached-document.ts';
import { failedAttempt } from '../order/failures.ts';
import type { OwnKeys } from '../publication/read-manifest.ts';
import { otherSigner, ownHead } from './heads.ts';
import { isReadable, listStatuses, readHostStatus, type StatusEntry } from './read-status.ts';
import type { ServedChanges } from './served/changes.ts';
import { type KnownTexts, leanStatus, noTexts } from './statuses/lean-status.ts';
import { MemoryInBetween } from './statuses/memory-in-between.ts';
import { type HostSummary, hostSummary, MAX_ETAG, type SummariesByHost, summarizeStatus } from './summary.ts';

/** A command to the hosts of a fleet whose result Systems Manager has not said yet. */
const openCall = z.object({ command: z.string(), fleet: fleetName, at: instant });

/** A fleet whose hosts could not be called to what is published: it is tried again in each pass. */
const failedCall = z.object({ fleet: fleetName, code: z.string().max(64), since: instant });

const hostSummaries = z.object({
  version: z.literal(1),
  /** By fleet and host. */
  fleets: z.record(z.string(), z.record(z.string(), hostSummary)),
  calls: z.array(openCall).default([]),
  failedCalls: z.array(failedCall).default([]),
  /** Certificates whose last attempt failed. */
  failures: z.record(z.string(), failedAttempt).default({}),
  /** Certificates for which the last pass had no time: they come first in the next one. */
  postponed: z.array(z.string()).default([]),
  /** By certificate: when another PEM last took the place of one that hosts hold as ended (ended-pems.ts). */
  endedOrders: z.record(z.string(), instant).default({}),
  /** By fleet: when one of its hosts last reported an agent that reads version 1 only. It outlives that host's summary. */
  version1At: z.record(z.string(), instant).default({}),
});

export type OpenCall = z.infer<typeof openCall>;
export type FailedCall = z.infer<typeof failedCall>;
export type HostSummaries = z.infer<typeof hostSummaries>;

export const NO_SUMMARIES: HostSummaries = {
  ...{ version: 1, fleets: {}, version1At: {}, endedOrders: {} },
  ...{ calls: [], failedCalls: [], failures: {}, postponed: [] },
};

/** Statuses that are read at the same time. */
const CONCURRENCY = 10;

export async function readHostSummaries(bucket: Bucket): Promise<HostSummaries> {
  const { value } = await readCached(bucket, layout.hostSummaries, hostSummaries);
  return value ?? NO_SUMMARIES;
}

/** Writes nothing where nothing differs from what is `stored`. */
export async function saveHostSummaries(
  bucket: Bucket,
  current: HostSummaries,
  stored: HostSummaries,
): Promise<void> {
  if (fingerprint(current) !== fingerprint(stored)) {
    const version1At = lastVersion1({ ...stored.version1At, ...current.version1At }, current.fleets);
    await bucket.put(layout.hostSummaries, serializeCached({ ...current, version1At }));
  }
}

export interface RefreshOptions {
  now: Date;
  /** Whose signature makes a reported head count; absent: none does, and the next pass reads again. */
  keys?: OwnKeys | undefined;
  /** For all statuses together: what has not come by then is not waited for. */
  deadline: Deadline;
  /** Gets what the hosts serve, where that has changed; absent: it is left to another reading. */
  served?: ServedChanges | undefined;
  /** Names of the certificates. */
  configured?: ReadonlySet<string> | undefined;
}

/** Of the fleets that were asked for, and of no others. */
export interface RefreshedSummaries {
  fleets: HostSummaries['fleets'];
  /** The first of each fleet where the store failed: the summaries that it hides stay as they were, and grow old. */
  failures: BucketError[];
}

/** Reads again the statuses that have changed since `stored`. */
export async function refreshHostSummaries(
  bucket: Bucket,
  stored: HostSummaries['fleets'],
  fleets: readonly FleetName[],
  options: RefreshOptions,
): Promise<RefreshedSummaries> {
  const { deadline } = options;
  const failures: BucketError[] = [];
  const summaries: HostSummaries['fleets'] = {};
  // One fleet after the other: of all of them, no more than `CONCURRENCY` statuses are in memory.
  for (const fleet of fleets) {
    const old = stored[fleet] ?? {};
    try {
      const entries = await deadline.wait(() => listStatuses(bucket, fleet));
      options.served?.noteGone(fleet, old, entries);
      const refreshed = await refreshFleet(bucket, entries, old, options);
      summaries[fleet] = refreshed.summaries;
      if (refreshed.failure !== undefined) failures.push(refreshed.failure);
    } catch (error) {
      failures.push(storeFailureOf(error, layout.statuses(fleet)));
      summaries[fleet] = old;
    }
  }
  return { fleets: summaries, failures };
}

async function refreshFleet(
  bucket: Bucket,
  entries: readonly StatusEntry[],
  stored: SummariesByHost,
  options: RefreshOptions,
): Promise<{ summaries: SummariesByHost; failure: BucketError | undefined }> {
  let failure: BucketError | undefined;
  const memory = new MemoryInBetween();
  const reading = { ...options, texts: noTexts(), onRead: (bytes: number) => memory.spent(bytes) };
  const refresh = async (entry: StatusEntry) => {
    const { host, etag, key } = entry;
    const old = stored[host];
    if (old?.etag === etag && isWhole(old)) return { host, summary: old };
    try {
      return { host, summary: await readSummary(bucket, entry, old, reading) };
    } catch (error) {
      failure ??= storeFailureOf(error, key);
      // Its ETag is the earlier one: the next pass reads it again.
      return { host, summary: old };
    }
  };
  const refreshed = await inParallel(entries, CONCURRENCY, refresh, ({ key }) => key);
  memory.end();
  const known = refreshed.flatMap(({ host, summary }) => (summary ? [[host, summary] as const] : []));
  return { summaries: Object.fromEntries(known), failure };
}

/** @throws what is no failure of the store */
function storeFailureOf(error: unknown, key: string): BucketError {
  if (error instanceof BucketError) return error;
  if (!(error instanceof DeadlinePassed)) throw error;
  return new BucketError('ERR_BUCKET_UNREACHABLE', key, error.message, { cause: error });
}

/** An earlier issuer leaves out what it does not know. */
function isWhole({ contract, unserved, isUnreadable }: HostSummary): boolean {
  return (contract !== undefined && unserved !== undefined) || isUnreadable === true;
}

/** Whether an agent that reports this version of the contract has to find `manifest.json`. */
export function readsVersion1Only(contract: number | undefined): boolean {
  return contract !== undefined && contract < 2;
}

/** The later time of each fleet: of `known`, and of its hosts. */
function lastVersion1(
  known: HostSummaries['version1At'],
  fleets: HostSummaries['fleets'],
): HostSummaries['version1At'] {
  const last = { ...known };
  for (const [fleet, summaries] of Object.entries(fleets)) {
    for (const { contract, reportedAt } of Object.values(summaries)) {
      if (!readsVersion1Only(contract)) continue;
      const before = last[fleet] ?? reportedAt;
      last[fleet] = before < reportedAt ? reportedAt : before;
    }
  }
  return last;
}

/** Of the statuses that are read together. */
interface Reading extends RefreshOptions {
  texts: KnownTexts;
  onRead: (bytes: number) => void;
}

/** A status that cannot be read is that host's failure, not the fleet's. */
async function readSummary(
  bucket: Bucket,
  entry: StatusEntry,
  old: HostSummary | undefined,
  { now, keys, deadline, served, configured, texts, onRead }: Reading,
): Promise<HostSummary> {
  const read = await deadline.wait(() => readHostStatus(bucket, entry, onRead));
  if (read === undefined) return unreadable(entry, 'gone', old, now);
  if (!isReadable(read)) return unreadable(entry, read.code, old, now);
  const status = leanStatus(read, texts);
  const isUnknown = status.head !== undefined && keys === undefined;
  const head = ownHead(status, keys, now);
  const otherKey = otherSigner(status, keys);
  const summary = summarizeStatus(status, { etag: isUnknown ? '' : entry.etag, head, old, configured });
  const kept = served === undefined ? old?.served : served.note(status, old);
  return {
    ...summary,
    ...(otherKey !== undefined && { otherKey }),
    ...(kept !== undefined && { served: kept }),
  };
}

/** PEMs that hosts of a fleet cannot get, those that most hosts miss first. */
export function missingPemsOf(summaries: SummariesByHost = {}): string[] {
  const counts = new Map<string, number>();
  for (const { missingPems = [] } of Object.values(summaries)) {
    for (const sha256 of missingPems) counts.set(sha256, (counts.get(sha256) ?? 0) + 1);
  }
  return [...counts].sort(([, a], [, b]) => b - a).map(([sha256]) => sha256);
}

/** What another read might cure is read again in the next pass. */
const LASTING = /^(ERR_STATUS_|ERR_BUCKET_SIZE$|gone$)/;

function unreadable(
  { etag, modifiedAt }: StatusEntry,
  error: string,
  old: HostSummary | undefined,
  now: Date,
): HostSummary {
  const isLasting = LASTING.test(error);
  return {
    etag: isLasting ? etag.slice(0, MAX_ETAG) : '',
    reportedAt: now,
    faultSince: (old?.error === undefined ? undefined : old.faultSince) ?? modifiedAt,
    states: {},
    error,
    isUnreadable: true,
  };
}

/** Equal for documents that say the same: a summary follows from the status with its ETag, and from what is published. */
function fingerprint({
  fleets,
  calls,
  failedCalls,
  failures,
  postponed,
  endedOrders,
}: HostSummaries): string {
  const etags = Object.entries(fleets).flatMap(([fleet, summaries]) =>
    Object.entries(summaries).map(
      ([host, { etag, error, contract, unserved, lagSince }]) =>
        `${fleet}/${host} ${etag} ${error} ${contract} ${unserved?.length} ${lagSince?.getTime()}`,
    ),
  );
  const failed = failedCalls.map(({ fleet, since }) => `${fleet} ${since.getTime()}`);
  const failing = Object.entries(failures).map(([name, { at }]) => `${name} ${at.getTime()}`);
  return [
    ...etags.sort(),
    ...calls.map(({ command }) => command),
    ...failed,
    ...failing,
    ...Object.entries(endedOrders).map(([name, at]) => `${name} ended ${at.getTime()}`),
    ...postponed,
  ].join();
}
