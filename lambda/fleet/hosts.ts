/**
 * A summary of every host's last status, kept with the ETag of that status: a pass reads only the statuses that have
 * changed, and none where no host has reported. Beside them, the commands to the hosts whose result is still open.
 */
import * as z from 'zod';
import { inParallel } from '#common/in-parallel.ts';
import { ContractError } from '#contract/errors.ts';
import { type HostStatus, parseHostStatus } from '#contract/host-status.ts';
import { type FleetName, fleetName, hostName, layout } from '#contract/layout.ts';
import type { Bucket } from '#storage/bucket.ts';
import { instant, readCached, serializeCached } from '#storage/cached-document.ts';

const hostSummary = z.object({
  etag: z.string(),
  reportedAt: instant,
  /** The host was shut down or removed. */
  hasLeft: z.literal(true).optional(),
  /** ETag of the manifest that the host has acted on. */
  manifest: z.string().optional(),
  /** Number of files by state. */
  states: z.record(z.string(), z.number().int()),
  /** Of the host as a whole: HAProxy or the bucket out of reach, or a status that cannot be read. */
  error: z.string().optional(),
});

/** A command to the hosts of a fleet whose result Systems Manager has not said yet. */
const openCall = z.object({ command: z.string(), fleet: fleetName, at: instant });

const hostSummaries = z.object({
  version: z.literal(1),
  /** By fleet and host. */
  fleets: z.record(z.string(), z.record(z.string(), hostSummary)),
  calls: z.array(openCall).default([]),
});

export type HostSummary = z.infer<typeof hostSummary>;
export type OpenCall = z.infer<typeof openCall>;
export type HostSummaries = z.infer<typeof hostSummaries>;

type SummariesByHost = Record<string, HostSummary>;

/** A status as the bucket lists it. */
interface StatusEntry {
  fleet: FleetName;
  host: string;
  key: string;
  etag: string;
}

/** Statuses that are read at the same time. */
const CONCURRENCY = 20;

export async function readHostSummaries(bucket: Bucket): Promise<HostSummaries> {
  const { value } = await readCached(bucket, layout.hostSummaries, hostSummaries);
  return value ?? { version: 1, fleets: {}, calls: [] };
}

/** Writes nothing where nothing differs from what is `stored`. */
export async function saveHostSummaries(
  bucket: Bucket,
  current: HostSummaries,
  stored: HostSummaries,
): Promise<void> {
  if (fingerprint(current) !== fingerprint(stored)) {
    await bucket.put(layout.hostSummaries, serializeCached(current));
  }
}

/** Reads again the statuses that have changed since `stored`. @returns the summaries of these fleets, and of no others */
export async function refreshHostSummaries(
  bucket: Bucket,
  stored: HostSummaries['fleets'],
  fleets: readonly FleetName[],
  now: Date,
): Promise<HostSummaries['fleets']> {
  const refreshed = await Promise.all(
    fleets.map(
      async (fleet) => [fleet, await refreshFleet(bucket, fleet, stored[fleet] ?? {}, now)] as const,
    ),
  );
  return Object.fromEntries(refreshed);
}

async function refreshFleet(
  bucket: Bucket,
  fleet: FleetName,
  stored: SummariesByHost,
  now: Date,
): Promise<SummariesByHost> {
  const prefix = layout.statuses(fleet);
  const entries = (await bucket.entries(prefix)).map(({ key, etag }) => {
    const host = key.slice(prefix.length).replace(/\.json$/, '');
    return { fleet, host, key, etag };
  });
  const refresh = async (entry: StatusEntry) => {
    const { host, etag } = entry;
    const old = stored[host];
    return { host, summary: old?.etag === etag ? old : await readSummary(bucket, entry, now) };
  };
  const refreshed = await inParallel(entries, CONCURRENCY, refresh, ({ host }) => host);
  return Object.fromEntries(refreshed.map(({ host, summary }) => [host, summary]));
}

/** A status that cannot be read is that host's failure, not the fleet's. */
async function readSummary(
  bucket: Bucket,
  { fleet, host, key, etag }: StatusEntry,
  now: Date,
): Promise<HostSummary> {
  try {
    const object = await bucket.get(key);
    const status = object && parseHostStatus(fleet, hostName.parse(host), object.body);
    return status === undefined ? unreadable(etag, 'gone', now) : summaryOf(status, etag);
  } catch (error) {
    if (error instanceof ContractError) return unreadable(etag, error.code, now);
    if (error instanceof z.ZodError) return unreadable(etag, 'ERR_STATUS_SCHEMA', now);
    throw error;
  }
}

function summaryOf(status: HostStatus, etag: string): HostSummary {
  const states: Record<string, number> = {};
  for (const { state } of status.files) states[state] = (states[state] ?? 0) + 1;
  return {
    etag,
    reportedAt: new Date(status.reportedAt),
    ...(status.leftAt !== undefined && { hasLeft: true }),
    ...(status.manifest !== undefined && { manifest: status.manifest }),
    states,
    ...(status.error && { error: status.error.code }),
  };
}

function unreadable(etag: string, error: string, now: Date): HostSummary {
  return { etag, reportedAt: now, states: {}, error };
}

/** Equal for documents that say the same: a summary follows from the status with its ETag. */
function fingerprint({ fleets, calls }: HostSummaries): string {
  const etags = Object.entries(fleets).flatMap(([fleet, summaries]) =>
    Object.entries(summaries).map(([host, { etag }]) => `${fleet}/${host} ${etag}`),
  );
  return [...etags.sort(), ...calls.map(({ command }) => command)].join();
}
