/** What a pass leaves on the host, so that the next one sees what others have changed since. */
import { digest } from '#contract/combined-pem.ts';
import type { FileStatus } from '#contract/host-status.ts';
import type { AgentConfig } from '../config/config.ts';
import type { DesiredAction, DiskFile, Outcome } from '../deploy/action.ts';
import { stapleFileOf } from '../desired/files.ts';
import type { FileRecord } from '../state/file-record.ts';
import type { LeftFile } from '../state/left.ts';

/** With other settings than these, nothing is comparable. */
export function settingsDigest({ fleet, pem, haproxy }: AgentConfig): string {
  const { certsDir, crtListFile, crtList, paths, statsSocket } = haproxy;
  return digest(JSON.stringify([fleet, pem, certsDir, crtListFile, crtList, paths, statsSocket]));
}

export interface LeftFacts {
  disk: ReadonlyMap<string, DiskFile>;
  /** Lines of the crt-list file as it is now, where there is one. */
  lines: readonly string[] | undefined;
  state: FileStatus['state'];
}

/** @returns undefined: the file is not as it should be, so that no later difference means anything */
export function leftBy(
  { action: { file, desired }, deployed }: Outcome<DesiredAction>,
  before: FileRecord['left'],
  { disk, lines, state }: LeftFacts,
): LeftFile | undefined {
  const { sha256 } = desired;
  const onDisk = deployed.isWritten ? sha256 : disk.get(file)?.sha256;
  if (onDisk !== sha256 || state === 'failed') return undefined;
  const same = before?.sha256 === sha256 ? before : undefined;
  // While HAProxy is out of reach, what it served before is what it is to serve afterwards.
  const isServed = state === 'served' || (state === 'pending' && same?.isServed === true);
  const staple =
    deployed.staple === undefined ? disk.get(stapleFileOf(file))?.sha256 : deployed.staple.sha256;
  const left: LeftFile = {
    sha256,
    ...(staple && staple === desired.staple?.sha256 && { staple }),
    ...(lines && { lines: [...lines] }),
    ...(isServed && { isServed }),
  };
  return same !== undefined && JSON.stringify(same) === JSON.stringify(left) ? same : left;
}
