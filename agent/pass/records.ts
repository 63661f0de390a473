/** The records of a file between passes: what the agent wrote, what it proved, what failed and until when. */
import { MINUTE_MS } from '#common/time.ts';
import { codeOf, messageOf } from '#contract/errors.ts';
import type { Action, Outcome } from '../deploy/action.ts';
import type { DesiredFile } from '../desired/files.ts';
import { type Listing, tailOf } from '../haproxy/crt-list-line.ts';
import { isHandshakeErrorCode, reactionTo } from '../reactions.ts';
import type { Failure, FileRecord, FileRecords, PemRecord } from '../state/file-record.ts';
import type { AgentState } from '../state/state.ts';
import { stateOf } from './host-status.ts';

/** Growing, then once a day. */
const BACK_OFF_MS = [1, 10, 100, 1440].map((minutes) => minutes * MINUTE_MS);
/** A new handshake is harmless: it is retried as often as a full pass comes. */
const HANDSHAKE_BACK_OFF_MS = [1, 10].map((minutes) => minutes * MINUTE_MS);
const MAX_DIGESTS = 8;

/**
 * Records, before anything is written, the digests that may be on disk after a kill.
 * @returns the state itself where nothing is new: it need not be compared, nor written
 */
export function withIntents(state: AgentState, actions: readonly Action[]): AgentState {
  const changes: Changes = new Map();
  for (const { kind, file, desired } of actions) {
    if (desired === undefined || !isWriting(kind)) continue;
    const { certificate, sha256, staple } = desired;
    const { listing: listingBefore, ...record }: Partial<FileRecord> = state.files.get(file) ?? {};
    const written = withNewest(record.written, sha256);
    const staples = staple ? withNewest(record.staples, staple.sha256) : record.staples;
    const receipts = withReceipt(record.receipts, desired);
    const listing = desired.isUnlisted ? listingBefore : desired.listing;
    const isKnown = record.certificate === certificate && record.written === written;
    const isSame = isKnown && record.staples === staples && record.receipts === receipts;
    if (isSame && sameListing(listing, listingBefore)) continue;
    changes.set(file, {
      ...record,
      ...{ certificate, written },
      ...(staples && { staples }),
      ...(receipts && { receipts }),
      ...(listing && { listing: { ...listing, ...linesOf(listing) } }),
    });
  }
  return withChanges(state, changes);
}

const linesOf = ({ crtListOptions, sniFilters }: Listing) => ({
  crtListOptions: [...crtListOptions],
  sniFilters: [...sniFilters],
});

function sameListing(a: Listing | undefined, b: Listing | undefined): boolean {
  return a === b || (a !== undefined && b !== undefined && tailOf(a) === tailOf(b));
}

/** The highest sequence of each digest counts: a manifest that was put back does not make the file older. */
function withReceipt(
  receipts: PemRecord[] | undefined,
  { sha256, sequence, receipt }: DesiredFile,
): PemRecord[] | undefined {
  if (sequence === undefined) return receipts;
  const known = receipts?.find((one) => one.sha256 === sha256);
  if (known !== undefined && known.sequence > sequence) return receipts;
  if (known?.sequence === sequence && known.receipt === receipt) return receipts;
  const others = receipts?.filter((one) => one !== known).slice(0, MAX_DIGESTS) ?? [];
  return [{ sha256, sequence, ...(receipt && { receipt }) }, ...others];
}

const isWriting = (kind: Action['kind']) => !['backed-off', 'refused', 'not-ours'].includes(kind);

/** @returns `digests` itself where it begins with this one */
function withNewest(digests: string[] | undefined, newest: string): string[] {
  if (digests?.[0] === newest) return digests;
  return [newest, ...latest(digests?.filter((other) => other !== newest) ?? [])];
}

/** After many refusals: the last is the oldest, which may still be on disk. */
function latest(digests: readonly string[]): readonly string[] {
  return digests.length <= MAX_DIGESTS
    ? digests
    : [...digests.slice(0, MAX_DIGESTS - 1), ...digests.slice(-1)];
}

/** What else the records need to know of the HAProxy that a pass was for. */
interface Seen {
  /** Of its worker. */
  pid?: number | undefined;
  /** Whether ours has been shown: only then is an adopted content given up. */
  isProved?: (outcome: Outcome) => boolean;
}

/** @returns the state itself where nothing is new */
export function withOutcomes(
  state: AgentState,
  outcomes: readonly Outcome[],
  now: Date,
  { pid, isProved = () => false }: Seen = {},
): AgentState {
  const changes: Changes = new Map();
  for (const outcome of outcomes) {
    const { kind, file } = outcome.action;
    const record = state.files.get(file);
    if (record === undefined) continue;
    const isRemoved = kind === 'forget' || (kind === 'remove' && outcome.kind === 'done');
    const next = isRemoved
      ? undefined
      : withUnlisted(nextRecord(record, outcome, { now, pid, isProved }), outcome.action, now);
    if (next !== record) changes.set(file, next);
  }
  return withChanges(state, changes);
}

/** A file that the manifest names no more is logged once. */
function withUnlisted(record: FileRecord, { desired }: Action, now: Date): FileRecord {
  if (desired === undefined || desired.isUnlisted === (record.unlisted && true)) return record;
  const { unlisted: _, ...rest } = record;
  return desired.isUnlisted ? { ...rest, unlisted: { since: now.toISOString() } } : rest;
}

/** `undefined`: it is no longer ours. */
type Changes = Map<string, FileRecord | undefined>;

function withChanges(state: AgentState, changes: Changes): AgentState {
  return changes.size === 0 ? state : { ...state, files: state.files.with(changes) };
}

/** Merges the outcomes of two applications of the plan: what the first has done counts where the second found it done. */
export function withEarlier(earlier: readonly Outcome[], later: readonly Outcome[]): Outcome[] {
  const before = new Map(earlier.map((outcome) => [outcome.action.file, outcome]));
  const merged = later.map((outcome) => {
    const first = before.get(outcome.action.file);
    before.delete(outcome.action.file);
    const isDone = outcome.action.kind === 'keep' && first !== undefined && stateOf(first) === 'served';
    return isDone ? first : outcome;
  });
  // The rest was removed: the second plan does not name it.
  return [...merged, ...before.values()];
}

/** As if nothing had failed before, so that everything is tried at once. */
export function withoutFailures(files: FileRecords): FileRecords {
  return new Map([...files].map(([file, { failure: _, ...record }]) => [file, record]));
}

interface Circumstances {
  now: Date;
  pid: number | undefined;
  isProved: (outcome: Outcome) => boolean;
}

function nextRecord(record: FileRecord, outcome: Outcome, { now, pid, isProved }: Circumstances): FileRecord {
  const { action, deployed } = outcome;
  const { failure, ...rest } = record;
  if (action.desired === undefined) return withWaiting(record, outcome, now);
  if (action.kind === 'backed-off' || action.kind === 'refused') return record;
  if (action.kind === 'needs-reload' && failure?.sha256 === action.desired.sha256) return record;
  const { sha256, listing } = action.desired;
  if (outcome.kind === 'failed') {
    // A payload that HAProxy hangs on costs each pass its time-out.
    const isKept = codeOf(outcome.error) === 'ERR_RUNTIME_PAYLOAD_SIZE';
    // Nothing of ours was there, and nothing is: what another program puts there is not ours.
    const isAbsent = action.kind === 'install' && !deployed.isWritten;
    const { receipts: _, ...unwritten } = rest;
    const after = isAbsent ? { ...unwritten, written: [] } : rest;
    if (reactionTo(outcome.error) !== 'refused' && !isKept) return after;
    const attempts = failure?.sha256 === sha256 ? failure.attempts + 1 : 1;
    return { ...after, failure: failureOf(outcome.error, { sha256, listing }, attempts, { now, pid }) };
  }
  const hasOneDigest = record.written.join() === sha256 && (record.receipts?.length ?? 0) <= 1;
  const isAdoptedKept = record.adopted !== undefined && !isProved(outcome);
  const hasSettled = failure === undefined && hasOneDigest && (isAdoptedKept || record.adopted === undefined);
  if (action.kind === 'keep' && hasSettled) return record;
  const { stapled, stapledUntil, adopted, receipts, proven: _, ...others } = rest;
  const stapledNow = deployed.staple === undefined ? stapled : deployed.staple.sha256;
  const { staple } = action.desired;
  const until = staple?.sha256 === stapledNow ? staple?.nextUpdate : stapledUntil;
  const ofPem = receipts?.filter((one) => one.sha256 === sha256) ?? [];
  return {
    ...others,
    written: [sha256],
    ...(isAdoptedKept && { adopted }),
    ...(stapledNow && { stapled: stapledNow }),
    ...(stapledNow && until && { stapledUntil: until }),
    ...(ofPem.length > 0 && { receipts: ofPem }),
  };
}

/**
 * Whether a failed file still waits. One that would wait longer than any back-off lasts was recorded while the clock was
 * ahead: its wait is over.
 */
export function isBackingOff({ notBefore, code }: Failure, now: Date): boolean {
  const leftMs = Date.parse(notBefore) - now.getTime();
  return leftMs > 0 && leftMs <= (waitsAfter(code).at(-1) ?? 0);
}

/** A removal that waits for a reload is logged once. */
function withWaiting(record: FileRecord, outcome: Outcome, now: Date): FileRecord {
  const { waiting, ...rest } = record;
  if (stateOf(outcome) !== 'needs-reload') return waiting === undefined ? record : rest;
  const { action } = outcome;
  const planned = action.kind === 'needs-reload' ? action.code : '';
  const code = outcome.kind === 'failed' ? codeOf(outcome.error) : planned;
  return waiting?.code === code ? record : { ...rest, waiting: { code, since: now.toISOString() } };
}

function failureOf(
  error: unknown,
  { sha256, listing }: Pick<DesiredFile, 'sha256' | 'listing'>,
  attempts: number,
  { now, pid }: Pick<Circumstances, 'now' | 'pid'>,
): Failure {
  const code = codeOf(error);
  return {
    sha256,
    listing: listing && tailOf(listing),
    code,
    message: messageOf(error),
    attempts,
    notBefore: after(now, attempts, code),
    ...(pid !== undefined && isHandshakeErrorCode(code) && { pid }),
  };
}

const waitsAfter = (code: string) => (isHandshakeErrorCode(code) ? HANDSHAKE_BACK_OFF_MS : BACK_OFF_MS);

function after(now: Date, attempts: number, code: string): Failure['notBefore'] {
  const waits = waitsAfter(code);
  const waitMs = waits[Math.min(attempts, waits.length) - 1] ?? 0;
  return new Date(now.getTime() + waitMs).toISOString();
}
