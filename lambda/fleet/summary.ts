/**
 * What the issuer keeps of a host's status: bounded facts, from which the figures follow (metrics.ts) without another read of the
 * status. Each has the time since when it is true, by the store's clock: the host's own may be wrong. Pure.
 */
import * as z from 'zod';
import { printable } from '#common/printable.ts';
import { DAY_MS } from '#common/time.ts';
import type { FileStatus, HostStatus } from '#contract/host-status.ts';
import { sha256Hex } from '#contract/layout.ts';
import { publicKey } from '#contract/statement.ts';
import { instant } from '#storage/cached-document.ts';
import type { OwnHead } from '../publication/read-manifest.ts';
import { followsManifest, isUnprovenByDesign, unlistedFilesIn } from './host-report.ts';
import type { ReadStatus } from './read-status.ts';

/** Characters. A book of bounded facts stays small, whatever hosts report. */
export const MAX_ETAG = 1024;
const [MAX_CODE, MAX_NAME] = [64, 200];
/** PEMs that one host can miss, or refuse, as far as the issuer cares. */
const MAX_MISSING = 20;
/** The bucket lacks it, or has something else in its place. */
const OF_PEM = /^ERR_PEM_(MISSING|DIGEST|SIZE)$/;
/** Of each kind, the first say enough. */
const [MAX_CONDITIONS, MAX_UNLISTED, MAX_UNSERVED, MAX_EXPIRING, MAX_DRIFTS_KEPT] = [10, 10, 3, 5, 20];
/** What HAProxy shows is noted as long before its end: a host whose reports cease is silent by then. */
const EXPIRING_WITHIN_MS = 2 * DAY_MS;
const name = z.string().max(MAX_NAME);
const code = z.string().max(MAX_CODE);
/** A certificate that a host does not serve; the code is that of the error, or the file's state. */
const unserved = z.object({ certificate: name, code, since: instant });

export const hostSummary = z.object({
  etag: z.string().max(MAX_ETAG),
  reportedAt: instant,
  /** The host was shut down or removed. */
  hasLeft: z.literal(true).optional(),
  /** ETag of the manifest that the host has acted on. */
  manifest: z.string().max(MAX_ETAG).optional(),
  /** Of the root that the host has acted on; only where our own signature says so. */
  head: z.object({ sequence: z.number().int(), signedAt: instant }).optional(),
  /** Has signed the root that the host has acted on, in our lineage, and is no key of ours. */
  otherKey: publicKey.optional(),
  /** Since when it lacks something that is published, whatever it is; absent: it lacks nothing. */
  lagSince: instant.optional(),
  /** The highest version of the contract that its agent reads; absent: an issuer of version 1 wrote this summary. */
  contract: z.number().int().optional(),
  /** Digest of the serials that it serves, as the record of what was served has them; absent: the record lacks them. */
  served: z.string().max(64).optional(),
  /** Number of files by state. */
  states: z.record(z.string(), z.number().int()),
  /** The certificates that it has not served for the longest time; absent: an earlier issuer wrote this summary. */
  unserved: z.array(unserved).max(MAX_UNSERVED).optional(),
  /** SHA-256 of PEMs that it cannot get from the bucket. */
  missingPems: z.array(sha256Hex).max(MAX_MISSING).optional(),
  /** SHA-256 of PEMs that the manifest names and that it holds as ended by a tombstone. */
  endedPems: z.array(sha256Hex).max(MAX_MISSING).optional(),
  /** Files that it serves though the manifest names them no more: absent if none. */
  unlistedFiles: z.number().int().optional(),
  /** Of the host as a whole: HAProxy or the bucket out of reach, or a status that cannot be read. */
  error: code.optional(),
  /** The status cannot be read; `error` says why. */
  isUnreadable: z.literal(true).optional(),
  /** Names of its conditions. */
  conditions: z.array(code).max(MAX_CONDITIONS).optional(),
  /** Since when it has an error, or a condition that keeps it from following. */
  faultSince: instant.optional(),
  /** Certificates that it serves and nothing names, those that expire first. */
  unlisted: z
    .array(z.object({ certificate: name, notAfter: instant }))
    .max(MAX_UNLISTED)
    .optional(),
  /** Certificates that HAProxy shows, and that have expired or are about to. */
  expiring: z
    .array(z.object({ certificate: name, notAfter: instant }))
    .max(MAX_EXPIRING)
    .optional(),
  /** Files that a handshake should show and cannot: how many, and the one that waits for the longest time. */
  unproven: z.object({ files: z.number().int(), certificate: name, reason: code, since: instant }).optional(),
  /** How old the host's oldest proof was when it reported, and how old its agent lets proofs become. */
  proofs: z.object({ ageMs: z.number(), spanMs: z.number() }).optional(),
  /** What was found different and repaired: what returned on the most days comes first. */
  drift: z
    .array(z.object({ certificate: name, kind: code, days: z.number().int(), first: instant, at: instant }))
    .max(MAX_DRIFTS_KEPT)
    .optional(),
});

export type HostSummary = z.infer<typeof hostSummary>;
export type SummariesByHost = Record<string, HostSummary>;

/** What a summary is made of beside the status itself. */
export interface SummarySource {
  /** '' where another read of the same status may say more. */
  etag: string;
  /** Of the root that the host has acted on, if it is ours. */
  head: OwnHead | undefined;
  /** The summary before this one: what has lasted since then began then, whatever the host says. */
  old: HostSummary | undefined;
  /** Certificates that can be ordered: of what the host refuses, they are kept first. */
  configured?: ReadonlySet<string> | undefined;
}

export function summarizeStatus(status: HostStatus, source: SummarySource): HostSummary {
  const { etag, head, old, configured } = source;
  const states: HostSummary['states'] = { ...status.unlisted };
  for (const { state } of status.files) states[state] = (states[state] ?? 0) + 1;
  const clock = storeClock(status);
  return {
    etag: etag.slice(0, MAX_ETAG),
    reportedAt: new Date(status.reportedAt),
    ...(status.leftAt !== undefined && { hasLeft: true }),
    ...(status.manifest !== undefined && { manifest: status.manifest }),
    ...(head && { head }),
    contract: status.contract ?? 1,
    states,
    unserved: unservedOf(status, clock, old),
    ...missingOf(status),
    ...endedOf(status, configured),
    ...(status.error && { error: textOf(status.error.code, MAX_CODE) }),
    ...conditionsOf(status),
    ...faultOf(status, clock, old),
    ...unlistedOf(status),
    ...expiringOf(status),
    ...unprovenOf(status, clock),
    ...proofsOf(status, clock),
    ...driftOf(status, clock),
  };
}

/** A time that a host says, by the store's clock. */
type StoreClock = (at: string) => Date;

/** However wrong the host's clock is: nothing that it reports is still to come. */
export function storeClock({ reportedAt, clockOffsetMs = 0 }: ReadStatus): StoreClock {
  return (at) => new Date(Math.min(Date.parse(reportedAt), Date.parse(at) - clockOffsetMs));
}

function textOf(text: string, maxLength: number): string {
  return printable(text.slice(0, maxLength));
}

function earlier(a: Date, b: Date | undefined): Date {
  return b !== undefined && b < a ? b : a;
}

/**
 * One for each certificate. A certificate that was not served when the host reported before has not been served since: its state may have
 * changed from `pending` to `failed`, and its file may wait for a later publication now.
 */
function unservedOf({ files }: HostStatus, clock: StoreClock, old: HostSummary | undefined) {
  const before = new Map(old?.unserved?.map(({ certificate, since }) => [certificate, since]));
  const worst = new Map<string, { certificate: string; code: string; since: Date }>();
  for (const { certificate, state, since, error } of files) {
    if (state === 'served') continue;
    const at = earlier(clock(since), before.get(certificate));
    const known = worst.get(certificate);
    const code = textOf(error?.code ?? state, MAX_CODE);
    if (known === undefined || at < known.since) worst.set(certificate, { certificate, code, since: at });
  }
  return [...worst.values()].sort((a, b) => a.since.getTime() - b.since.getTime()).slice(0, MAX_UNSERVED);
}

function missingOf({ files }: HostStatus): Pick<HostSummary, 'missingPems' | 'unlistedFiles'> {
  const missing = files.flatMap(({ error, wanted }) =>
    OF_PEM.test(error?.code ?? '') ? [wanted.sha256] : [],
  );
  const unlisted = files.filter(({ isUnlisted }) => isUnlisted).length;
  return {
    ...(missing.length > 0 && { missingPems: [...new Set(missing)].slice(0, MAX_MISSING) }),
    ...(unlisted > 0 && { unlistedFiles: unlisted }),
  };
}

function endedOf(
  { endedEntries = [] }: HostStatus,
  configured: ReadonlySet<string> = new Set(),
): Pick<HostSummary, 'endedPems'> {
  const [wanted, others] = [true, false].map((is) =>
    endedEntries.filter(({ certificate }) => configured.has(certificate) === is),
  ) as [typeof endedEntries, typeof endedEntries];
  const ended = [...new Set([...wanted, ...others].map(({ sha256 }) => sha256))].slice(0, MAX_MISSING);
  return ended.length > 0 ? { endedPems: ended } : {};
}

function conditionsOf({ conditions = [] }: HostStatus): Pick<HostSummary, 'conditions'> {
  const names = [...new Set(conditions.map(({ condition }) => textOf(condition, MAX_CODE)))];
  // What keeps the host from following comes first: the list may be cut.
  const order = (name: string) => Number(followsManifest([name]));
  const first = names.sort((a, b) => order(a) - order(b)).slice(0, MAX_CONDITIONS);
  return first.length > 0 ? { conditions: first } : {};
}

/** An error has no time of its own: it began with the first report that has it. */
function faultOf(
  { error, conditions = [], reportedAt }: HostStatus,
  clock: StoreClock,
  old: HostSummary | undefined,
): Pick<HostSummary, 'faultSince'> {
  const since = conditions
    .filter(({ condition }) => !followsManifest([condition]))
    .map((condition) => clock(condition.since).getTime());
  if (error !== undefined) {
    const began = old?.error === undefined ? undefined : old.faultSince;
    since.push(began?.getTime() ?? Date.parse(reportedAt));
  }
  return since.length > 0 ? { faultSince: new Date(Math.min(...since)) } : {};
}

function unlistedOf(status: HostStatus): Pick<HostSummary, 'unlisted'> {
  const dated = unlistedFilesIn(status).flatMap(({ certificate, notAfter }) =>
    notAfter === undefined ? [] : [{ certificate, notAfter: new Date(notAfter) }],
  );
  const first = dated.slice(0, MAX_UNLISTED);
  return first.length > 0 ? { unlisted: first } : {};
}

/** Whatever the file's state is, HAProxy hands out what it shows. */
function expiringOf({ files, reportedAt }: HostStatus): Pick<HostSummary, 'expiring'> {
  const soon = Date.parse(reportedAt) + EXPIRING_WITHIN_MS;
  const shown = files.flatMap(({ certificate, runtime }) => {
    const end = Date.parse(runtime?.notAfter ?? '');
    return end < soon ? [{ certificate, notAfter: new Date(end) }] : [];
  });
  const first = shown.sort((a, b) => a.notAfter.getTime() - b.notAfter.getTime()).slice(0, MAX_EXPIRING);
  return first.length > 0 ? { expiring: first } : {};
}

type Unproven = FileStatus & { unproven: NonNullable<FileStatus['unproven']> };

function unprovenOf({ files }: HostStatus, clock: StoreClock): Pick<HostSummary, 'unproven'> {
  const all = files.filter((file): file is Unproven => isToBeProved(file));
  const [oldest] = all.sort((a, b) => (a.unproven.since < b.unproven.since ? -1 : 1));
  if (oldest === undefined) return {};
  const { certificate, unproven } = oldest;
  const reason = textOf(unproven.reason, MAX_CODE);
  return { unproven: { files: all.length, certificate, reason, since: clock(unproven.since) } };
}

function isToBeProved({ unproven }: FileStatus): boolean {
  return unproven !== undefined && !isUnprovenByDesign(unproven.reason);
}

function proofsOf({ proofs, reportedAt }: HostStatus, clock: StoreClock): Pick<HostSummary, 'proofs'> {
  if (proofs?.oldest === undefined) return {};
  const ageMs = Date.parse(reportedAt) - clock(proofs.oldest).getTime();
  return { proofs: { ageMs, spanMs: proofs.spanMs } };
}

type Drift = NonNullable<HostSummary['drift']>[number];

function driftOf({ drift = [] }: HostStatus, clock: StoreClock): Pick<HostSummary, 'drift'> {
  const all = drift.map(({ certificate, kind, days, first, at }) => ({
    certificate: textOf(certificate, MAX_NAME),
    kind: textOf(kind, MAX_CODE),
    ...{ days, first: clock(first), at: clock(at) },
  }));
  // The list may be cut: what returns comes first, then the latest.
  const order = (a: Drift, b: Drift) => b.days - a.days || b.at.getTime() - a.at.getTime();
  const first = all.sort(order).slice(0, MAX_DRIFTS_KEPT);
  return first.length > 0 ? { drift: first } : {};
}
