/**
 * What to do with each file, decided from values alone: the manifest's wish, the disk, HAProxy, what we remember
 * and the time. The storyboard logs the decision and does it.
 */
import { reasonToStaple } from './deploy/staple.ts';
import type { Action, DiskFile } from './desired/action.ts';
import { isServing, type WantedFile, wantedTails } from './desired/files.ts';
import { decideGone } from './gone.ts';
import { commandBytes } from './haproxy/capabilities.ts';
import { type Tails, tailOf } from './haproxy/crt-list-line.ts';
import { type HaproxyView, isListedOtherwise, reasonNotToAdd } from './haproxy/view.ts';
import type { AgentState, FileRecord } from './state/state.ts';

export interface PlanInput {
  wanted: readonly WantedFile[];
  disk: ReadonlyMap<string, DiskFile>;
  /** Lines of a crt-list file on disk, where there is one. */
  listed?: Tails | undefined;
  /** `undefined`: HAProxy cannot be reached. */
  haproxy: HaproxyView | undefined;
  /** It has no stats socket for us: only a handshake tells what it serves, only a reload changes it. */
  isUnseen?: boolean;
  records: AgentState['files'];
  /** Addresses that a handshake must have proved. */
  handshakes: readonly string[];
  now: Date;
}

export function plan(input: PlanInput): Action[] {
  const names = new Set(input.wanted.map(({ file }) => file));
  const gone = Object.keys(input.records).filter((file) => !names.has(file));
  const goings = gone.map((file) => decideGone(file, input));
  const hasGoings = goings.some(({ kind }) => kind === 'remove');
  return [
    ...input.wanted.map((wanted) => ({
      ...proving(wanted, decide(wanted, input)),
      file: wanted.file,
      certificate: wanted.certificate,
      wanted,
      isProvedLast: hasGoings || wanted.namesakes !== undefined,
    })),
    ...goings,
  ];
}

/** Who commits a namesake by hand puts another one in front, and nothing but a handshake shows it. */
function proving({ namesakes }: WantedFile, decision: Decision): Decision {
  if (namesakes === undefined || decision.kind !== 'keep') return decision;
  return { kind: 'prove', reason: 'it shares names with others' };
}

type Decision = Pick<Action, 'kind' | 'reason' | 'code'>;

function decide(wanted: WantedFile, input: PlanInput): Decision {
  const record = input.records[wanted.file];
  const notBefore = isBackedOff(wanted, record, input.now);
  if (notBefore !== undefined)
    return { kind: 'backed-off', reason: `${record?.failure?.code} before, next try ${notBefore}` };
  const disk = input.disk.get(wanted.file);
  if (disk?.sha256 !== wanted.sha256) return decideFile(wanted, disk, record);
  if (!disk.isGuarded) return { kind: 'repair', reason: 'mode or owner is not as configured' };
  if (input.listed !== undefined && !isListedRight(wanted, input.listed))
    return { kind: 'list', reason: 'its line in the crt-list file is missing, or another one' };
  const staple = reasonToStaple(wanted, input);
  const hasProof = isProven(wanted, record, input.handshakes);
  const decision =
    input.haproxy === undefined
      ? decideUnseen(input, hasProof)
      : decideRuntime(wanted, input.haproxy, hasProof);
  const isRight = input.haproxy === undefined || decision.kind === 'keep' || decision.kind === 'prove';
  return staple !== undefined && isRight ? { kind: 'staple', reason: staple } : decision;
}

function isListedRight({ file, listing }: WantedFile, listed: Tails): boolean {
  const seen = listed.get(file) ?? [];
  const tails = wantedTails(listing, seen);
  return seen.length === tails.length && tails.every((tail, index) => tail === seen[index]);
}

function decideFile(
  wanted: WantedFile,
  disk: DiskFile | undefined,
  record: FileRecord | undefined,
): Decision {
  const wasDone = record?.proven?.sha256 === wanted.sha256;
  if (wasDone)
    return { kind: 'repair', reason: disk ? 'the file was changed by somebody else' : 'the file is gone' };
  if (disk === undefined) return { kind: 'install', reason: 'new in the manifest' };
  return { kind: 'update', reason: 'another one is published' };
}

function decideUnseen({ isUnseen = false }: PlanInput, hasProof: boolean): Decision {
  if (!isUnseen) return { kind: 'pending', reason: 'HAProxy is out of reach' };
  if (hasProof) return { kind: 'keep', reason: 'served' };
  return { kind: 'prove', reason: 'without a stats socket, only a handshake shows it' };
}

function decideRuntime(wanted: WantedFile, haproxy: HaproxyView, hasProof: boolean): Decision {
  const places = haproxy.files.get(wanted.file) ?? [];
  const wrong = places.find((place) => !isServing(place, wanted));
  if (wrong === undefined && places.some(isListedOtherwise))
    return { kind: 'list', reason: 'HAProxy lists it with other options or filters' };
  if (wrong === undefined && hasProof) return { kind: 'keep', reason: 'served' };
  if (wrong === undefined) return { kind: 'prove', reason: 'no handshake has shown it yet' };
  const seen = wrong.certificate?.serial || wrong.certificate?.status || 'no such certificate';
  const reason = `HAProxy has ${seen} as ${wrong.filename}${wrong.isListed ? '' : ', not in its crt-list'}`;
  const isAddition = wrong.certificate?.status !== 'Used' || !wrong.isListed;
  if (isAddition && wrong.crtList === undefined)
    return {
      kind: 'needs-reload',
      reason: `${reason}; ${reasonNotToAdd(wrong)}`,
      code: 'ERR_RUNTIME_CRT_LIST',
    };
  const { maxCommandBytes } = haproxy.capabilities;
  const bytes = commandBytes(wanted.size, wrong.filename);
  if (bytes <= maxCommandBytes) return { kind: 'load', reason };
  const tooBig = `${reason}; ${bytes} bytes do not fit in one command of ${maxCommandBytes}`;
  return { kind: 'needs-reload', reason: tooBig, code: 'ERR_RUNTIME_PAYLOAD_SIZE' };
}

function isProven(
  wanted: WantedFile,
  record: FileRecord | undefined,
  handshakes: readonly string[],
): boolean {
  const proven = record?.proven;
  return handshakes.every(
    (address) => proven?.sha256 === wanted.sha256 && proven.addresses.includes(address),
  );
}

function isBackedOff(wanted: WantedFile, record: FileRecord | undefined, now: Date): string | undefined {
  const failure = record?.failure;
  // Depends on another certificate, and costs nothing.
  if (failure?.code === 'ERR_HANDSHAKE_OVERLAP') return undefined;
  if (failure?.listing !== (wanted.listing && tailOf(wanted.listing))) return undefined;
  if (failure?.sha256 !== wanted.sha256 || now >= new Date(failure.notBefore)) return undefined;
  return failure.notBefore;
}
