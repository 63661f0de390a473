/** Whether this host serves a file: what the records prove, and what HAProxy shows. */
import type { DiskFile } from '../deploy/action.ts';
import type { DesiredFile } from '../desired/files.ts';
import { type HaproxyView, isListedOtherwise, isServing, type RuntimeFile } from '../haproxy/view.ts';
import type { FileRecord, FileRecords } from '../state/file-record.ts';

export interface ServedInput {
  disk: ReadonlyMap<string, DiskFile>;
  /** `undefined`: HAProxy cannot be reached. */
  haproxy: HaproxyView | undefined;
  /** It has no stats socket for us: only a handshake shows what it serves. */
  isWithoutSocket?: boolean;
  records: FileRecords;
  /** Addresses that a handshake must have proved. */
  handshakes: readonly string[];
}

export function isProven(
  desired: Pick<DesiredFile, 'sha256'>,
  record: FileRecord | undefined,
  handshakes: readonly string[],
): boolean {
  const proven = record?.proven;
  return handshakes.every(
    (address) => proven?.sha256 === desired.sha256 && proven.addresses.includes(address),
  );
}

/** On disk, in HAProxy under each of its names and with the wanted line, and proved on each bind. */
export function isServedHere(desired: DesiredFile, input: ServedInput): boolean {
  const { disk, haproxy, records, handshakes, isWithoutSocket = false } = input;
  if (disk.get(desired.file)?.sha256 !== desired.sha256) return false;
  const runtimeFiles = haproxy?.files.get(desired.file) ?? [];
  // With other filters than are wanted, it is handed out for other names.
  const isRight = (one: RuntimeFile) => isServing(one, desired) && !isListedOtherwise(one);
  const isLoaded = runtimeFiles.length > 0 && runtimeFiles.every(isRight);
  if (!isLoaded && !(haproxy === undefined && isWithoutSocket)) return false;
  return isProven(desired, records.get(desired.file), handshakes);
}
