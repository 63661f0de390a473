/**
 * What every host has said last, in short and by the ETag of its status: a pass reads only the statuses that have
 * changed, and none at all where no host has. And which calls to the hosts are not over yet.
 */
import * as z from 'zod';
import { ContractError } from '#contract/errors.ts';
import { type HostStatus, parseHostStatus } from '#contract/host-status.ts';
import { type FleetName, fleetName, hostName, layout } from '#contract/layout.ts';
import type { Bucket } from '#storage/bucket.ts';
import { instant, readCached, serializeCached } from '#storage/cached-document.ts';
import { inParallel } from '../in-parallel.ts';

const hostNote = z.object({
  etag: z.string(),
  reportedAt: instant,
  /** Was shut down or taken away. */
  hasLeft: z.literal(true).optional(),
  /** ETag of the manifest that it has seen. */
  manifest: z.string().optional(),
  /** Files by state. */
  states: z.record(z.string(), z.number().int()),
  /** Of the host as a whole: HAProxy or the bucket out of reach, or a status that cannot be read. */
  error: z.string().optional(),
});

/** A call to the hosts of a fleet of which nobody has heard the end yet. */
const openCall = z.object({ command: z.string(), fleet: fleetName, at: instant });

const hostBook = z.object({
  version: z.literal(1),
  fleets: z.record(z.string(), z.record(z.string(), hostNote)),
  calls: z.array(openCall).default([]),
});

export type HostSummary = z.infer<typeof hostNote>;
export type OpenCall = z.infer<typeof openCall>;
export type HostSummaries = z.infer<typeof hostBook>;

/** Reads at once from the bucket. */
const AT_ONCE = 20;

export async function readHostSummaries(bucket: Bucket): Promise<HostSummaries> {
  const { value } = await readCached(bucket, layout.hostSummaries, hostBook);
  return value ?? { version: 1, fleets: {}, calls: [] };
}

/** Equal to `known` → not written. */
export async function saveHostSummaries(
  bucket: Bucket,
  book: HostSummaries,
  known: HostSummaries,
): Promise<void> {
  if (outline(book) !== outline(known)) await bucket.put(layout.hostSummaries, serializeCached(book));
}

/** @returns the notes of each fleet's hosts, after those that have changed were read again */
export async function refreshHostSummaries(
  bucket: Bucket,
  known: HostSummaries['fleets'],
  fleets: readonly FleetName[],
  now: Date,
): Promise<HostSummaries['fleets']> {
  const notes = await Promise.all(
    fleets.map(async (fleet) => [fleet, await notesOf(bucket, fleet, known[fleet] ?? {}, now)] as const),
  );
  return Object.fromEntries(notes);
}

type Notes = Record<string, HostSummary>;

async function notesOf(bucket: Bucket, fleet: FleetName, known: Notes, now: Date): Promise<Notes> {
  const entries = await bucket.entries(layout.statuses(fleet));
  const named = entries.map(({ key, etag }) => ({
    host: key.slice(layout.statuses(fleet).length).replace(/\.json$/, ''),
    ...{ key, etag },
  }));
  const read = async ({ host, key, etag }: (typeof named)[number]) => {
    const old = known[host];
    const note = old?.etag === etag ? old : await noteOf(bucket, fleet, host, { key, etag }, now);
    return { host, note };
  };
  const notes = await inParallel(named, AT_ONCE, read, ({ host }) => host);
  return Object.fromEntries(notes.map(({ host, note }) => [host, note]));
}

/** A status that cannot be read is that host's failure, not the fleet's. */
async function noteOf(
  bucket: Bucket,
  fleet: FleetName,
  host: string,
  { key, etag }: { key: string; etag: string },
  now: Date,
): Promise<HostSummary> {
  try {
    const object = await bucket.get(key);
    const status = object && parseHostStatus(fleet, hostName.parse(host), object.body);
    return status === undefined ? unreadable(etag, 'gone', now) : summary(status, etag);
  } catch (error) {
    if (error instanceof ContractError || error instanceof z.ZodError)
      return unreadable(etag, error instanceof ContractError ? error.code : 'ERR_STATUS_SCHEMA', now);
    throw error;
  }
}

function summary(status: HostStatus, etag: string): HostSummary {
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

/** What tells two books apart. */
function outline({ fleets, calls }: HostSummaries): string {
  const etags = Object.entries(fleets).flatMap(([fleet, notes]) =>
    Object.entries(notes).map(([host, { etag }]) => `${fleet}/${host} ${etag}`),
  );
  return [...etags.sort(), ...calls.map(({ command }) => command)].join();
}
