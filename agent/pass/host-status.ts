/**
 * The host status: what the manifest wants, what is on disk, what HAProxy shows, what handshakes have proved. The agent
 * reports it when it has changed, and once an hour, so that a silent host is noticed.
 */
import { printable } from '#common/printable.ts';
import { digest } from '#contract/combined-pem.ts';
import { codeOf, messageOf } from '#contract/errors.ts';
import {
  type EndedEntry,
  type FileStatus,
  type HostCondition,
  type HostStatus,
  isProofLate,
  MAX_ENDED_ENTRIES,
  MAX_REMOVALS,
  type RemovalStatus,
} from '#contract/host-status.ts';
import type { Blocker } from '../blocker.ts';
import type { AgentConfig } from '../config/config.ts';
import { type DesiredAction, type DiskFile, isOfDesired, type Outcome } from '../deploy/action.ts';
import type { DesiredFile } from '../desired/files.ts';
import { HandshakeFailed } from '../errors.ts';
import type { HaproxyView } from '../haproxy/view.ts';
import type { KnownProofs } from '../proof/known.ts';
import { proofStatusOf, proofsIn } from '../proof/status.ts';
import { type RuntimeErrorCode, reactionTo } from '../reactions.ts';
import type { FileRecord, FileRecords } from '../state/file-record.ts';

const MAX_OVERLAPS = 20;
/** Characters: readers refuse a text of 65,536 bytes. */
const MAX_MESSAGE = 2000;

/** The highest version of the contract that this agent reads. */
const CONTRACT_VERSION = 2;

interface StatusInput {
  config: AgentConfig;
  agentVersion: string;
  /** What the host has taken, and whose word it takes. */
  taken: Pick<HostStatus, 'manifest' | 'head' | 'trust'>;
  conditions: readonly (Pick<HostCondition, 'condition' | 'message'> & { since?: string | undefined })[];
  /** What the manifest names and this host refuses. */
  endedEntries?: readonly EndedEntry[] | undefined;
  /** `undefined`: no pass could be made. */
  proofs?: KnownProofs | undefined;
  haproxy: HaproxyView | undefined;
  outcomes: readonly Outcome[];
  disk: ReadonlyMap<string, DiskFile>;
  records: FileRecords;
  /** What was found different and repaired. */
  drift: HostStatus['drift'];
  /** What keeps the whole host from its certificates. */
  error: Blocker | undefined;
  previous: HostStatus | undefined;
  now: Date;
}

export function hostStatusOf(input: StatusInput): HostStatus {
  const { config, haproxy, now } = input;
  const before = new Map(input.previous?.files.map((file) => [file.file, file]));
  const files = input.outcomes.filter(isOfDesired).map((outcome) => {
    const known = before.get(outcome.action.file);
    const file = fileStatusOf(outcome, input, known);
    // By identity, whoever saves the status finds the files of which it has something new to say.
    return known !== undefined && sayTheSame(file, known) ? known : file;
  });
  files.sort((a, b) => (a.file < b.file ? -1 : 1));
  return {
    version: 1,
    fleet: config.fleet,
    host: config.host,
    reportedAt: now.toISOString(),
    agent: { version: input.agentVersion },
    manifest: input.taken.manifest,
    contract: CONTRACT_VERSION,
    head: input.taken.head,
    trust: input.taken.trust,
    conditions: conditionsIn(input),
    haproxy: [
      {
        socket: config.haproxy.statsSocket,
        version: haproxy?.process.version,
        pid: haproxy?.process.pid,
        // The binds on which handshakes prove certificates; none: the operator switched the proof off.
        handshake: config.haproxy.handshake,
      },
    ],
    files,
    removals: removalsIn(input),
    ...(input.endedEntries?.length && { endedEntries: input.endedEntries.slice(0, MAX_ENDED_ENTRIES) }),
    proofs: input.proofs && proofsIn(files, config, input.proofs.pace),
    drift: input.drift,
    error: input.error && errorOf(input.error),
  };
}

function conditionsIn({ conditions, previous, now }: StatusInput): HostCondition[] | undefined {
  const before = new Map(previous?.conditions?.map((one) => [one.condition, one]));
  const all = conditions.map(({ condition, message, since: sinceThen }): HostCondition => {
    if (sinceThen !== undefined) return { condition, since: sinceThen, message };
    const known = before.get(condition);
    // A time of the future was written while the clock was ahead.
    const since = known !== undefined && new Date(known.since) <= now ? known.since : now.toISOString();
    return { condition, since, message: message.slice(0, MAX_MESSAGE) };
  });
  return all.length > 0 ? all : undefined;
}

function removalsIn({ outcomes, previous, now }: StatusInput): RemovalStatus[] | undefined {
  const before = new Map(previous?.removals?.map((removal) => [removal.file, removal]));
  const removals = outcomes.flatMap((outcome): RemovalStatus[] => {
    const { action } = outcome;
    const state = stateOf(outcome);
    if (action.desired !== undefined || state === 'served') return [];
    const { file, certificate } = action;
    const known = before.get(file);
    // A time of the future was written while the clock was ahead.
    const isSame = known?.state === state && new Date(known.since) <= now;
    const since = isSame ? known.since : now.toISOString();
    const planned =
      action.kind === 'needs-reload' ? { code: action.code, message: action.reason } : undefined;
    const error = outcome.kind === 'failed' ? errorOf(outcome.error) : planned;
    return [{ file, certificate, state, since, error }];
  });
  const first = removals.sort((a, b) => (a.file < b.file ? -1 : 1)).slice(0, MAX_REMOVALS);
  return first.length > 0 ? first : undefined;
}

/**
 * Equal but for the times of the report and of its proofs → equal digest: a proof that was renewed, or a pace that has changed, is no news. That it was late, as after
 * a night in which the machine slept, and is late no more, is: the figure HostsUnproven counts it until the next report.
 */
export function statusDigest(status: HostStatus): string {
  const files = status.files.map(({ provenAt: _, ...file }) => file);
  const proofs = status.proofs && {
    ...status.proofs,
    spanMs: undefined,
    oldest: undefined,
    isLate: isLateIn(status),
  };
  return digest(JSON.stringify({ ...status, files, proofs, reportedAt: '' }));
}

function isLateIn({ proofs, reportedAt }: HostStatus): true | undefined {
  if (proofs?.oldest === undefined) return undefined;
  const ageMs = Date.parse(reportedAt) - Date.parse(proofs.oldest);
  return isProofLate(ageMs, proofs) || undefined;
}

/** `failed`: refused, it needs a new publication or an operator; `pending`: the next pass tries again. */
export function stateOf(outcome: Outcome): FileStatus['state'] {
  const { kind } = outcome.action;
  if (kind === 'backed-off' || kind === 'refused' || kind === 'not-ours') return 'failed';
  // What blocks the host may be what only a reload ends.
  const isForReload = outcome.kind === 'failed' && reactionTo(outcome.error) === 'reload';
  if (kind === 'needs-reload' || (kind === 'pending' && !isForReload)) return kind;
  if (outcome.kind === 'failed') return STATE_AFTER[reactionTo(outcome.error)];
  return outcome.action.desired?.lineProblem === undefined ? 'served' : 'failed';
}

const STATE_AFTER = { refused: 'failed', waiting: 'pending', reload: 'needs-reload' } as const;

function fileStatusOf(
  outcome: Outcome<DesiredAction>,
  input: StatusInput,
  before: FileStatus | undefined,
): FileStatus {
  const { desired } = outcome.action;
  const state = stateOf(outcome);
  const record = input.records.get(desired.file);
  return {
    file: desired.file,
    certificate: desired.certificate,
    state,
    since: sinceWhen(state, desired, before, input.now),
    wanted: { sha256: desired.sha256, serial: desired.serial },
    disk: diskOf(outcome, input),
    runtime: runtimeOf(outcome, input),
    ...(state === 'served' && provedIn(desired, before, input)),
    overlaps: overlapsOf(desired),
    staple: stapleIn(desired, record),
    error: errorIn(outcome, input),
    wire: wireIn(outcome, before),
    ...(desired.isUnlisted && {
      isUnlisted: true,
      notAfter: desired.notAfter.toISOString(),
      receipt: desired.receipt,
    }),
  };
}

/** As JSON: a member that is undefined is none. */
function sayTheSame(a: unknown, b: unknown): boolean {
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return a === b;
  const [one, other] = [a, b] as Record<string, unknown>[];
  if (one === undefined || other === undefined || Array.isArray(a) !== Array.isArray(b)) return false;
  for (const name in one) if (!sayTheSame(one[name], other[name])) return false;
  for (const name in other) if (one[name] === undefined && other[name] !== undefined) return false;
  return true;
}

function provedIn(
  desired: DesiredFile,
  before: FileStatus | undefined,
  { proofs, config, now }: StatusInput,
) {
  return proofs && proofStatusOf(desired, { known: proofs, settings: config, before, now });
}

/** While it backs off, what the last handshakes have shown. */
function wireIn(outcome: Outcome<DesiredAction>, before: FileStatus | undefined): FileStatus['wire'] {
  const { kind, desired } = outcome.action;
  if (outcome.kind === 'failed') return wireOf(outcome.error);
  return kind === 'backed-off' && before?.wanted.sha256 === desired.sha256 ? before.wire : undefined;
}

/** Where a reload is to end it, the handshake's failure is the cause. */
function wireOf(error: unknown): FileStatus['wire'] {
  if (error instanceof HandshakeFailed) return error.wire;
  return error instanceof Error && error.cause instanceof HandshakeFailed ? error.cause.wire : undefined;
}

function diskOf(
  { action: { desired }, deployed }: Outcome<DesiredAction>,
  { disk }: StatusInput,
): FileStatus['disk'] {
  const sha256 = deployed.isWritten ? desired.sha256 : disk.get(desired.file)?.sha256;
  return sha256 ? { sha256 } : undefined;
}

function overlapsOf({ shadows = [] }: DesiredFile): FileStatus['overlaps'] {
  const overlaps = shadows.slice(0, MAX_OVERLAPS).map(({ name, by }) => ({ name, by }));
  return overlaps.length > 0 ? overlaps : undefined;
}

function stapleIn({ staple }: DesiredFile, record: FileRecord | undefined): FileStatus['staple'] {
  const isStapled = staple !== undefined && record?.stapled === staple.sha256;
  return isStapled ? { nextUpdate: staple.nextUpdate } : undefined;
}

function runtimeOf({ action, deployed }: Outcome, { haproxy }: StatusInput): FileStatus['runtime'] {
  const shown = deployed.certificate ?? haproxy?.files.get(action.file)?.[0]?.certificate;
  if (shown?.notAfter === undefined) return undefined;
  // 0: cut off in HAProxy's answer.
  const chainLength = shown.chainLength ?? 0;
  return { serial: shown.serial, notAfter: shown.notAfter.toISOString(), chainLength };
}

function errorIn(outcome: Outcome, input: StatusInput): FileStatus['error'] {
  if (outcome.kind === 'failed') return errorOf(outcome.error);
  const { action } = outcome;
  if (action.kind === 'not-ours') return { code: 'ERR_INSTALL_NOT_OURS', message: action.reason };
  const lineProblem = action.desired?.lineProblem;
  if (lineProblem !== undefined) return { code: 'ERR_CRT_LIST_LINE', message: lineProblem };
  const twoIssuers = twoIssuersOf(action.file, input.haproxy);
  if (twoIssuers !== undefined && action.kind !== 'backed-off' && action.kind !== 'needs-reload')
    return twoIssuers;
  const failure = input.records.get(action.file)?.failure;
  if (action.kind === 'backed-off' && failure) return { code: failure.code, message: failure.message };
  return action.kind === 'needs-reload' ? { code: action.code, message: action.reason } : undefined;
}

/** HAProxy issues the certificate by itself, too: each takes the other's away. */
export function twoIssuersOf(
  file: string,
  haproxy: HaproxyView | undefined,
): { code: RuntimeErrorCode; message: string } | undefined {
  const named = haproxy?.files.get(file)?.find(({ acmeSection }) => acmeSection !== undefined);
  if (named === undefined) return undefined;
  const message = `two issuers: HAProxy's acme section ${printable(named.acmeSection ?? '')} issues ${named.filename}, too; take "acme" out of its line or bind and reload HAProxy, or take the certificate out of pemfleet.yaml`;
  return { code: 'ERR_RUNTIME_TWO_ISSUERS', message };
}

function sinceWhen(
  state: FileStatus['state'],
  desired: DesiredFile,
  before: FileStatus | undefined,
  now: Date,
): string {
  const isSame = before?.state === state && before.wanted.sha256 === desired.sha256;
  // A time of the future was written while the clock was ahead.
  return isSame && new Date(before.since) <= now ? before.since : now.toISOString();
}

function errorOf(error: unknown): { code: string; message: string } {
  return { code: codeOf(error), message: messageOf(error).slice(0, MAX_MESSAGE) };
}
