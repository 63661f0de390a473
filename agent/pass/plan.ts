/**
 * Decides what to do with each file, from values alone: the manifest, the disk, HAProxy, the records of earlier passes
 * and the time. The storyboard applies the decision and logs it.
 */
import type { Action, DesiredAction, DiskFile, FileDecision, RemovalAction } from '../deploy/action.ts';
import { type DesiredFile, stapleFileOf, stapleOf } from '../desired/files.ts';
import { desiredTails } from '../desired/listing.ts';
import { commandBytes } from '../haproxy/capabilities.ts';
import { isSameTails } from '../haproxy/crt-list-file.ts';
import { type Tails, tailOf } from '../haproxy/crt-list-line.ts';
import {
  detached,
  type HaproxyView,
  isDetached,
  isListedOtherwise,
  isServing,
  type RuntimeFile,
  reasonNotToAdd,
} from '../haproxy/view.ts';
import { withinProofQuota } from '../proof/quota.ts';
import type { Standing } from '../proof/record.ts';
import { isHandshakeErrorCode } from '../reactions.ts';
import { proofOf, type ServedInput } from '../removal/served.ts';
import type { Failure, FileRecord } from '../state/file-record.ts';
import { isBackingOff } from './records.ts';

export interface PlanInput extends ServedInput {
  /** What the manifest names, and what it does not end. */
  desired: readonly DesiredFile[];
  /** Files of ours that go, with the reason. */
  removals?: ReadonlyMap<string, string>;
  /** Lines of a crt-list file on disk, where there is one. */
  listed?: Tails | undefined;
  /** Files of which no earlier proof counts. */
  suspects?: ReadonlySet<string> | undefined;
  /** Absent: all that are due. */
  provesAtMost?: number | undefined;
}

export function plan(input: PlanInput): Action[] {
  const names = new Set(input.desired.map(({ file }) => file));
  const unnamed = [...input.records.keys()].filter((file) => !names.has(file));
  const removals = unnamed.flatMap((file) => planRemoval(file, input) ?? []);
  const isRemoving = removals.some(({ kind }) => kind === 'remove');
  const actions = input.desired.map((desired): DesiredAction => {
    const decision = proving(desired, decide(desired, input));
    const { file, sha256 } = desired;
    const isProofRenewed =
      decision.kind === 'prove' && !input.proofs.isDistrusted(file) && input.proofs.of(file, sha256);
    return {
      ...decision,
      ...(isProofRenewed && { isProofRenewed: true }),
      ...(hasForeignContent(desired, input) && { hasForeignContent: true }),
      ...(hasForeignStaple(desired, input) && { hasForeignStaple: true }),
      ...(input.records.get(desired.file)?.unlisted && { isKnown: true }),
      file: desired.file,
      certificate: desired.certificate,
      desired,
      isProvedLast: isRemoving || desired.namesakes !== undefined,
    };
  });
  return [...withinProofQuota(actions, input), ...removals];
}

/** The same content is as good as ours: an agent that lost its records goes on. */
export function isNotOurs(
  { file, sha256 }: Pick<DesiredFile, 'file' | 'sha256'>,
  { disk, records }: Pick<PlanInput, 'disk' | 'records'>,
): boolean {
  const onDisk = disk.get(file);
  const { written = [], adopted } = records.get(file) ?? {};
  const hasWritten = written.length > 0 || adopted !== undefined;
  return !hasWritten && onDisk !== undefined && onDisk.sha256 !== sha256;
}

function hasForeignContent({ file, sha256 }: DesiredFile, { disk, records }: PlanInput): boolean {
  const onDisk = disk.get(file)?.sha256;
  return onDisk !== undefined && onDisk !== sha256 && records.get(file)?.written.includes(onDisk) === false;
}

/** An OCSP response that the agent did not write. */
function hasForeignStaple(
  { file, staple }: Pick<DesiredFile, 'file' | 'staple'>,
  { disk, records }: Pick<PlanInput, 'disk' | 'records'>,
): boolean {
  const onDisk = disk.get(stapleFileOf(file))?.sha256;
  const { stapled, staples = [] } = records.get(file) ?? {};
  return onDisk !== undefined && ![staple?.sha256, stapled, ...staples].includes(onDisk);
}

/** An operator who commits a namesake by hand changes which of them HAProxy hands out: only a handshake shows it. */
function proving({ namesakes }: DesiredFile, decision: FileDecision): FileDecision {
  if (namesakes === undefined || decision.kind !== 'keep') return decision;
  return { kind: 'prove', reason: 'it shares names with others' };
}

function decide(desired: DesiredFile, input: PlanInput): FileDecision {
  const record = input.records.get(desired.file);
  if (isNotOurs(desired, input)) {
    return { kind: 'not-ours', reason: 'another program has put a file of this name there' };
  }
  if (desired.lineProblem !== undefined && !input.listed?.get(desired.file)?.length) {
    return { kind: 'refused', reason: desired.lineProblem };
  }
  const notBefore = nextTryOf(desired, record, input);
  if (notBefore !== undefined) {
    return { kind: 'backed-off', reason: `${record?.failure?.code} before, next try ${notBefore}` };
  }
  const disk = input.disk.get(desired.file);
  if (disk?.sha256 !== desired.sha256) return decideFile(desired, disk, input);
  if (!disk.isGuarded) return { kind: 'repair', reason: 'mode or owner is not as configured' };
  if (input.listed !== undefined && !isListedAsDesired(desired, input.listed)) {
    return { kind: 'list', reason: 'its line in the crt-list file is missing or differs' };
  }
  const staple = reasonToStaple(desired, input);
  const isSuspect = input.suspects?.has(desired.file) === true;
  const proof = isSuspect ? 'none' : proofOf(desired, input);
  const decision =
    input.haproxy === undefined
      ? decideWithoutView(input, proof)
      : decideRuntime(desired, input.haproxy, proof, {
          tooLong: tooLongUntil(desired, record, input.now),
          hasOtherChain: hasOtherChain(desired, record),
        });
  const isRight = input.haproxy === undefined || decision.kind === 'keep' || decision.kind === 'prove';
  return staple !== undefined && isRight ? { kind: 'staple', reason: staple } : decision;
}

function isListedAsDesired({ file, listing }: DesiredFile, listed: Tails): boolean {
  const onDisk = listed.get(file);
  return isSameTails(desiredTails(listing, onDisk), onDisk);
}

/** @returns why HAProxy is to get the OCSP response, or to lose it; `undefined`: it has what it is to have */
function reasonToStaple(desired: DesiredFile, input: PlanInput): string | undefined {
  const onDisk = input.disk.get(stapleFileOf(desired.file))?.sha256;
  const stapled = input.records.get(desired.file)?.stapled;
  const staple = stapleOf(desired, input.now);
  if (hasForeignStaple(desired, input)) return undefined;
  if (staple === undefined) {
    // HAProxy itself hands out none that has expired.
    const isKept = desired.isUnlisted && input.records.get(desired.file)?.stapledUntil === undefined;
    const isStale = onDisk !== undefined && onDisk === stapled && !isKept;
    return isStale ? 'its OCSP response has expired or is withdrawn' : undefined;
  }
  if (onDisk !== staple.sha256) return 'another OCSP response is published';
  const { capabilities, files } = input.haproxy ?? {};
  const runtimeFiles = files?.get(desired.file) ?? [];
  const fits = runtimeFiles.every(
    ({ filename }) => commandBytes(desired.size, filename) <= (capabilities?.maxCommandBytes ?? 0),
  );
  // HAProxy reads what does not fit from the file, at its next reload.
  if (!fits || runtimeFiles.length === 0) return undefined;
  if (stapled !== staple.sha256) return 'HAProxy has not taken its OCSP response';
  const isLost = runtimeFiles.some(({ certificate }) => certificate?.hasStaple === false);
  return isLost ? 'HAProxy has lost its OCSP response' : undefined;
}

function decideFile(desired: DesiredFile, disk: DiskFile | undefined, { proofs }: PlanInput): FileDecision {
  const wasProven = proofs.of(desired.file, desired.sha256) !== undefined;
  if (wasProven) {
    return { kind: 'repair', reason: disk ? 'the file was changed by another program' : 'the file is gone' };
  }
  if (disk === undefined) return { kind: 'install', reason: 'new in the manifest' };
  return { kind: 'update', reason: 'a new one is published' };
}

function decideWithoutView({ isWithoutSocket = false }: PlanInput, proof: Standing): FileDecision {
  if (!isWithoutSocket) return { kind: 'pending', reason: 'HAProxy is out of reach' };
  if (proof !== 'none') return decideProof(proof);
  return { kind: 'prove', reason: 'without a stats socket, only a handshake shows it' };
}

const PROOF_DECISIONS: Record<Standing, FileDecision> = {
  fresh: { kind: 'keep', reason: 'served' },
  aged: { kind: 'prove', reason: 'its handshakes are due again' },
  'other-worker': { kind: 'prove', reason: 'HAProxy has another worker than its handshakes have shown' },
  none: { kind: 'prove', reason: 'no handshake has shown it yet' },
};

const decideProof = (proof: Standing): FileDecision => PROOF_DECISIONS[proof];

interface Lately {
  /** Why HAProxy did not take it at run time. */
  tooLong: string | undefined;
  /** A handshake has shown other intermediates, of which HAProxy tells only the number. */
  hasOtherChain: boolean;
}

function decideRuntime(
  desired: DesiredFile,
  haproxy: HaproxyView,
  proof: Standing,
  { tooLong, hasOtherChain }: Lately,
): FileDecision {
  const runtimeFiles = haproxy.files.get(desired.file) ?? [];
  const wrong = runtimeFiles.find((runtimeFile) => !isServing(runtimeFile, desired));
  if (wrong === undefined && runtimeFiles.some(isListedOtherwise)) {
    return { kind: 'list', reason: 'HAProxy lists it with other options or filters' };
  }
  if (wrong === undefined && runtimeFiles.some(isDetached)) {
    return {
      kind: 'prove',
      reason: 'HAProxy shows it as Unused though it is listed: only a handshake tells',
    };
  }
  if (wrong === undefined && !hasOtherChain) return decideProof(proof);
  return decideLoading(desired, haproxy, wrong ?? runtimeFiles[0], tooLong);
}

function decideLoading(
  desired: DesiredFile,
  haproxy: HaproxyView,
  wrong: RuntimeFile | undefined,
  tooLong: string | undefined,
): FileDecision {
  if (wrong === undefined) return decideProof('none');
  const shown = wrong.certificate?.serial || wrong.certificate?.status || 'no such certificate';
  const reason = `HAProxy has ${shown} as ${wrong.filename}${wrong.isListed ? '' : ', not in its crt-list'}`;
  if (isDetached(wrong)) {
    return { kind: 'needs-reload', reason: detached(wrong).message, code: 'ERR_RUNTIME_DETACHED' };
  }
  const isAddition = wrong.certificate?.status !== 'Used' || !wrong.isListed;
  if (isAddition && wrong.crtList === undefined) {
    const cannotAdd = `${reason}; ${reasonNotToAdd(wrong)}`;
    return { kind: 'needs-reload', reason: cannotAdd, code: 'ERR_RUNTIME_CRT_LIST' };
  }
  if (tooLong !== undefined) {
    return { kind: 'needs-reload', reason: `${reason}; ${tooLong}`, code: 'ERR_RUNTIME_PAYLOAD_SIZE' };
  }
  const { maxCommandBytes } = haproxy.capabilities;
  const bytes = commandBytes(desired.size, wrong.filename);
  if (bytes <= maxCommandBytes) return { kind: 'load', reason };
  const tooBig = `${reason}; ${bytes} bytes do not fit in one command of ${maxCommandBytes}`;
  return { kind: 'needs-reload', reason: tooBig, code: 'ERR_RUNTIME_PAYLOAD_SIZE' };
}

function nextTryOf(
  desired: DesiredFile,
  record: FileRecord | undefined,
  { haproxy, now }: Pick<PlanInput, 'haproxy' | 'now'>,
): string | undefined {
  const failure = record?.failure;
  // It depends on other certificates, and a new try costs nothing.
  if (failure?.code === 'ERR_HANDSHAKE_OVERLAP') return undefined;
  if (failure?.code === 'ERR_HANDSHAKE_CERTIFICATE' && desired.namesakes !== undefined) return undefined;
  // A reload ends it: what HAProxy serves is looked at first.
  if (failure?.code === 'ERR_RUNTIME_PAYLOAD_SIZE') return undefined;
  if (failure?.listing !== (desired.listing && tailOf(desired.listing))) return undefined;
  if (failure?.sha256 !== desired.sha256 || !isBackingOff(failure, now)) return undefined;
  if (isOfEarlierWorker(failure, haproxy)) return undefined;
  return failure.notBefore;
}

/** A handshake has shown what another worker hands out. */
function isOfEarlierWorker({ code, pid }: Failure, haproxy: HaproxyView | undefined): boolean {
  return (
    isHandshakeErrorCode(code) && pid !== undefined && haproxy !== undefined && haproxy.process.pid !== pid
  );
}

/** A new load takes the other intermediates away where HAProxy has them; where they are another process's, it does no harm. */
function hasOtherChain({ sha256 }: DesiredFile, record: FileRecord | undefined): boolean {
  return record?.failure?.code === 'ERR_HANDSHAKE_CHAIN' && record.failure.sha256 === sha256;
}

/** @returns what HAProxy said of its size, until it is tried again */
function tooLongUntil(desired: DesiredFile, record: FileRecord | undefined, now: Date): string | undefined {
  const { failure } = record ?? {};
  const isTooLong = failure?.code === 'ERR_RUNTIME_PAYLOAD_SIZE' && failure.sha256 === desired.sha256;
  return isTooLong && isBackingOff(failure, now) ? failure.message : undefined;
}

/** @returns undefined: nothing ends it */
function planRemoval(file: string, input: PlanInput): RemovalAction | undefined {
  const { disk, records, haproxy, isWithoutSocket } = input;
  const record = records.get(file);
  const onDisk = disk.get(file)?.sha256;
  const isKnown = record?.waiting !== undefined;
  const isForeign = hasForeignStaple({ file }, input);
  const why = input.removals?.get(file);
  const subject = {
    file,
    certificate: record?.certificate ?? '',
    ...(isKnown && { isKnown }),
    ...(isForeign && { hasForeignStaple: true }),
    ...(why !== undefined && { isEnded: true }),
  };
  const isGone = onDisk === undefined && (why === undefined || isWithoutSocket);
  if (isGone) return { ...subject, kind: 'forget', reason: 'the manifest does not name it, and it is gone' };
  if (onDisk !== undefined && !record?.written.includes(onDisk)) {
    const reason = 'the manifest does not name it, and it was changed by another program';
    return { ...subject, kind: 'forget', reason };
  }
  if (why === undefined) return undefined;
  if (isWithoutSocket) {
    const reason = `${why}, but there is no stats socket to take it out of HAProxy: delete the file (and its line in a crt-list), then reload`;
    return { ...subject, kind: 'needs-reload', reason, code: 'ERR_RUNTIME_NO_SOCKET' };
  }
  if (haproxy === undefined) {
    return { ...subject, kind: 'pending', reason: `${why}; HAProxy is out of reach: it may name the file` };
  }
  const isNamed = ({ crtList, certificate }: RuntimeFile) => !crtList && certificate?.status === 'Used';
  if (haproxy.files.get(file)?.some(isNamed)) {
    const reason = `${why}, but HAProxy's configuration names the file (crt FILE): take it out there, then reload`;
    return { ...subject, kind: 'needs-reload', reason, code: 'ERR_RUNTIME_CRT_LIST' };
  }
  return { ...subject, kind: 'remove', reason: why };
}
