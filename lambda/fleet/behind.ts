/**
 * When a host is behind: it does not serve what is published. Two readers ask:
 * - `pemfleet status` reads whole statuses and does not wait: it names each certificate that a host does not serve yet,
 *   because a person, or a script that waits for a publication to arrive, asks how things stand now.
 * - The alarm HostsBehind reads summaries and waits 30 minutes: after each publication all hosts are behind until they have
 *   polled and reported, and that must wake nobody. A fault of the host as a whole counts at once: waiting does not cure it.
 */
import { HOUR_MS, MINUTE_MS } from '#common/time.ts';
import type { FileStatus, HostStatus } from '#contract/host-status.ts';
import { followsManifest } from './host-report.ts';
import type { HostSummary } from './hosts.ts';

/** A host has this long to load what was published: some polls, and the report. */
const BEHIND_AFTER_MS = 30 * MINUTE_MS;
/** Two heartbeats of the agent and some: a silent host may serve well or not, so it counts as silent only. */
export const SILENT_AFTER_MS = 3 * HOUR_MS;

export interface PublishedManifest {
  /** Of version 1, for hosts whose agent reads no root. */
  etag: string;
  /** When certificates or tombstones last changed. */
  updatedAt: Date;
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
}

/** What is published of a certificate. */
interface Published {
  /** SHA-256 of the PEMs: one, or two of a pair. */
  wanted: ReadonlySet<string>;
  manifest?: PublishedManifest | undefined;
  /** Of the head that the host reports, under our own signature. */
  head?: { signedAt: Date } | undefined;
}

/** For `pemfleet status`. */
export function certificateStateOf(
  status: HostStatus,
  certificate: string,
  { wanted, manifest, head }: Published,
): CertificateState {
  const files = status.files.filter(
    (file) => file.certificate === certificate && wanted.has(file.wanted.sha256),
  );
  const worst = files.find(({ state }) => !isServed(state));
  if (worst !== undefined) {
    return { state: worst.state, since: worst.since, ...(worst.error && { error: worst.error }) };
  }
  // A host with several HAProxy has a file in each.
  if (new Set(files.map((file) => file.wanted.sha256)).size === wanted.size) return { state: 'served' };
  const isCurrent = manifest !== undefined && hasActedOn({ manifest: status.manifest, head }, manifest);
  // A long report leaves out files that are served.
  const isLeftOut = files.length === 0 && status.unlisted !== undefined && isCurrent;
  if (isLeftOut && Object.keys(status.unlisted ?? {}).every(isServed)) return { state: 'served' };
  return { state: 'pending', ...(status.error && { error: status.error }) };
}

/** For the alarm HostsBehind. @param manifest of the host's fleet; where nothing is published, only a fault counts */
export function isHostBehind(host: HostSummary, manifest: PublishedManifest | undefined, now: Date): boolean {
  if (host.error !== undefined || !followsManifest(host.conditions ?? [])) return true;
  const isDue = manifest !== undefined && now.getTime() - manifest.updatedAt.getTime() > BEHIND_AFTER_MS;
  if (!isDue) return false;
  const servesAll = Object.entries(host.states).every(([state, files]) => isServed(state) || files === 0);
  return !hasActedOn(host, manifest) || !servesAll;
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
