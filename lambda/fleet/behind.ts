/**
 * When a host is behind: it does not serve what is published. Two readers ask:
 * - `pemfleet status` reads whole statuses and waits as long as `--grace` says: it names each certificate that a host does not serve,
 *   because a person, or a script that waits for a publication to arrive, asks how things stand now.
 * - The alarm HostsBehind reads summaries and waits 30 minutes: after each publication all hosts are behind until they have
 *   polled and reported, and that must wake nobody. The time is that of each certificate: since the host does not serve it. A fault of
 *   the host as a whole counts at once: waiting does not cure it.
 */
import { HOUR_MS, MINUTE_MS } from '#common/time.ts';
import type { FileStatus, HostStatus, Wire } from '#contract/host-status.ts';
import { followsManifest } from './host-report.ts';
import type { HostSummary } from './summary.ts';

/** A host has this long to load what was published: some polls, and the report. */
const BEHIND_AFTER_MS = 30 * MINUTE_MS;
/** Of what was published after a host has last acted: the oldest say enough. */
const MAX_LAGS = 3;
/** Two heartbeats of the agent and some: a silent host may serve well or not, so it counts as silent only. */
export const SILENT_AFTER_MS = 3 * HOUR_MS;

export interface PublishedManifest {
  /** Of version 1, for hosts whose agent reads no root. */
  etag: string;
  /** When certificates or tombstones last changed. */
  updatedAt: Date;
  /** When each certificate was published, the newest first. Absent: unknown. */
  newest?: readonly { certificate: string; publishedAt: Date }[];
}

/** What a host says of the manifest that it has acted on. */
interface ActedOn {
  manifest?: string | undefined;
  /** Of a root, under our own signature. */
  head?: { signedAt: Date } | undefined;
}

/** How a host stands with one certificate; it is behind unless `state` is `served`. */
export interface CertificateState {
  state: FileStatus['state'];
  since?: string;
  error?: { code: string; message: string };
  /** What a client gets in its place. */
  wire?: Wire;
}

/** What is published of a certificate. */
interface Published {
  /** SHA-256 of the PEMs: one, or two of a pair. */
  wanted: ReadonlySet<string>;
  /** RFC 3339: since when a host that says nothing of it lacks it. */
  publishedAt?: string | undefined;
  manifest?: PublishedManifest | undefined;
  /** Of the head that the host reports, under our own signature. */
  head?: { signedAt: Date } | undefined;
}

/** For `pemfleet status`. */
export function certificateStateOf(
  status: HostStatus,
  certificate: string,
  { wanted, publishedAt, manifest, head }: Published,
): CertificateState {
  const files = status.files.filter(
    (file) => file.certificate === certificate && wanted.has(file.wanted.sha256),
  );
  const worst = files.find(({ state }) => !isServed(state));
  if (worst !== undefined) {
    const { state, since, error, wire } = worst;
    return { state, since, ...(error && { error }), ...(wire && { wire }) };
  }
  // A host with several HAProxy has a file in each.
  if (new Set(files.map((file) => file.wanted.sha256)).size === wanted.size) return { state: 'served' };
  const isRefused = status.endedEntries?.some(
    (one) => one.certificate === certificate && wanted.has(one.sha256),
  );
  if (isRefused) return refusedState(status, publishedAt);
  const isCurrent = manifest !== undefined && hasActedOn({ manifest: status.manifest, head }, manifest);
  // A long report leaves out files that are served.
  const isLeftOut = files.length === 0 && status.unlisted !== undefined && isCurrent;
  if (isLeftOut && Object.keys(status.unlisted ?? {}).every(isServed)) return { state: 'served' };
  return {
    state: 'pending',
    ...(publishedAt !== undefined && { since: publishedAt }),
    ...(status.error && { error: status.error }),
  };
}

/** It holds the PEM as ended, and never installs it. */
function refusedState({ conditions = [] }: HostStatus, publishedAt: string | undefined): CertificateState {
  const code = 'ended-entry';
  const told = conditions.find(({ condition }) => condition === code);
  const since = told?.since ?? publishedAt;
  const message = told?.message ?? 'the host holds this PEM as ended by a tombstone, and does not install it';
  return { state: 'failed', ...(since !== undefined && { since }), error: { code, message } };
}

/** What a host does not serve, or does not follow, and since when. */
export interface Lag {
  /** Absent: the host as a whole. */
  certificate?: string | undefined;
  /** An error code, a condition, a state of a file; `not-fetched`: the host has not acted on what was published then. */
  code: string;
  since: Date;
}

/**
 * For the alarm HostsBehind: what counts now. A fault of the host as a whole counts at once, all else after 30 minutes.
 * @param manifest of the host's fleet; where nothing is published, only a fault counts
 * @returns the longest first; none: the host is not behind
 */
export function lagsOf(host: HostSummary, manifest: PublishedManifest | undefined, now: Date): Lag[] {
  const due = (manifest === undefined ? [] : unservedBy(host, manifest)).filter(
    ({ since }) => now.getTime() - since.getTime() > BEHIND_AFTER_MS,
  );
  return [...faultsOf(host), ...due].sort((a, b) => a.since.getTime() - b.since.getTime());
}

export function isHostBehind(host: HostSummary, manifest: PublishedManifest | undefined, now: Date): boolean {
  return lagsOf(host, manifest, now).length > 0;
}

function faultsOf({ error, conditions = [], faultSince, reportedAt }: HostSummary): Lag[] {
  const code = error ?? conditions.find((condition) => !followsManifest([condition]));
  return code === undefined ? [] : [{ code, since: faultSince ?? reportedAt }];
}

/** Each certificate has its own time: a manifest in which others change hides none. */
function unservedBy(host: HostSummary, manifest: PublishedManifest): Lag[] {
  const { states, unserved = unservedStates(states, manifest.updatedAt) } = host;
  if (hasActedOn(host, manifest)) return unserved;
  const since = host.lagSince ?? manifest.updatedAt;
  return [...unserved, ...publishedAfter(host.head, manifest), { code: 'not-fetched', since }];
}

/** A summary of an earlier issuer does not say which. */
function unservedStates(states: HostSummary['states'], since: Date): Lag[] {
  const worst = Object.entries(states).find(([state, files]) => !isServed(state) && files > 0);
  return worst === undefined ? [] : [{ code: worst[0], since }];
}

function publishedAfter(head: HostSummary['head'], { newest = [] }: PublishedManifest): Lag[] {
  if (head === undefined) return [];
  const known = newest.findIndex(({ publishedAt }) => publishedAt <= head.signedAt);
  const later = newest.slice(0, known === -1 ? newest.length : known);
  return later.slice(-MAX_LAGS).map(({ certificate, publishedAt: since }) => {
    return { certificate, code: 'not-fetched', since };
  });
}

/**
 * Since when a host lacks something that is published: whatever else is published meanwhile, a host that has acted on nothing since the
 * pass before has lacked it since then.
 * @param old the host's summary of the pass before
 */
export function lagSinceOf(
  host: HostSummary,
  manifest: PublishedManifest | undefined,
  old: HostSummary | undefined,
): Date | undefined {
  if (manifest === undefined) return old?.lagSince;
  if (hasActedOn(host, manifest)) return undefined;
  const isSame = old?.head?.sequence === host.head?.sequence && old?.manifest === host.manifest;
  return (isSame ? old?.lagSince : undefined) ?? manifest.updatedAt;
}

/** A root that is only signed anew changes nothing: a host that has read the one before is not behind. */
export function hasActedOn({ head, manifest }: ActedOn, { etag, updatedAt }: PublishedManifest): boolean {
  return head === undefined ? manifest === etag : head.signedAt >= updatedAt;
}

export function isSilent(reportedAt: Date, now: Date): boolean {
  return now.getTime() - reportedAt.getTime() > SILENT_AFTER_MS;
}

function isServed(state: string): boolean {
  return state === 'served';
}
