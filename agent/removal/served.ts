/** Whether this host serves a file: what the records prove, and what HAProxy shows. */
import type { DiskFile } from '../deploy/action.ts';
import type { DesiredFile } from '../desired/files.ts';
import { type HaproxyView, isListedOtherwise, isServing, type RuntimeFile } from '../haproxy/view.ts';
import type { KnownProofs } from '../proof/known.ts';
import type { Standing } from '../proof/record.ts';
import type { FileRecords } from '../state/file-record.ts';

export interface ServedInput {
  disk: ReadonlyMap<string, DiskFile>;
  /** `undefined`: HAProxy cannot be reached. */
  haproxy: HaproxyView | undefined;
  /** It has no stats socket for us: only a handshake shows what it serves. */
  isWithoutSocket?: boolean;
  records: FileRecords;
  /** Addresses that a handshake must have proved. */
  handshakes: readonly string[];
  proofs: KnownProofs;
  /** How old a proof may be. */
  maxAgeMs: number;
  now: Date;
}

/** What handshakes of the worker that runs now have shown. */
export function proofOf(
  { file, sha256 }: Pick<DesiredFile, 'file' | 'sha256'>,
  input: ServedInput,
): Standing {
  const { proofs, handshakes: addresses, haproxy, now, maxAgeMs } = input;
  const pid = haproxy?.process.pid;
  return proofs.standingOf(file, sha256, { addresses, pid, now: now.getTime(), maxAgeMs });
}

/** By the worker that runs now. */
const PROVED: ReadonlySet<Standing> = new Set(['fresh', 'aged']);

/** On disk, in HAProxy under each of its names and with the wanted line, and proved on each bind. */
export function isServedHere(desired: DesiredFile, input: ServedInput): boolean {
  const { disk, haproxy, isWithoutSocket = false } = input;
  if (disk.get(desired.file)?.sha256 !== desired.sha256) return false;
  const runtimeFiles = haproxy?.files.get(desired.file) ?? [];
  // With other filters than are wanted, it is handed out for other names.
  const isRight = (one: RuntimeFile) => isServing(one, desired) && !isListedOtherwise(one);
  const isLoaded = runtimeFiles.length > 0 && runtimeFiles.every(isRight);
  if (!isLoaded && !(haproxy === undefined && isWithoutSocket)) return false;
  return PROVED.has(proofOf(desired, input));
}
