/** Whether a host has come through an upgrade of its agent, by what it reports. Pure. */
import type { FileStatus } from '#contract/host-status.ts';
import { isReadable, type ReadStatus, type UnreadableStatus } from '../fleet/read-status.ts';

export interface UpgradeVerdict {
  state: 'proved' | 'waiting' | 'failed';
  /** What is missing, or wrong. */
  why: string;
}

/**
 * Proved: a pass of the wanted agent, after the last report of the former one, serves all that the former one served, and at least one handshake
 * is newer than all of the former one's.
 * @param before the last report before the upgrade
 * @param after the report now; undefined: there is none any more
 */
export function proveUpgrade(
  before: ReadStatus,
  after: ReadStatus | UnreadableStatus | undefined,
  release: string,
): UpgradeVerdict {
  if (after === undefined) return { state: 'waiting', why: 'has no status' };
  if (!isReadable(after)) return { state: 'failed', why: `its status cannot be read (${after.code})` };
  if (after.agent.version !== release) return { state: 'waiting', why: `runs agent ${after.agent.version}` };
  if (after.reportedAt <= before.reportedAt) return { state: 'waiting', why: 'has not reported yet' };
  if (after.error !== undefined && before.error === undefined) {
    return { state: 'failed', why: `${after.error.code} ${after.error.message}` };
  }
  return servedBy(before, after) ?? { state: 'proved', why: '' };
}

function servedBy(before: ReadStatus, after: ReadStatus): UpgradeVerdict | undefined {
  const now = new Map(after.files.map((file) => [keyOf(file), file]));
  const served = before.files.filter(isServed);
  const lost = served.flatMap((file) => {
    const found = now.get(keyOf(file));
    return found === undefined || isServed(found) ? [] : [found];
  });
  const failed = lost.find(({ state }) => state === 'failed');
  if (failed !== undefined) {
    return { state: 'failed', why: `${failed.file}: ${failed.error?.code ?? 'failed'}` };
  }
  const missing = served.find((file) => !now.has(keyOf(file)));
  if (missing !== undefined) {
    return { state: 'waiting', why: `${missing.file}: is not in its report any more` };
  }
  const [late] = lost;
  if (late !== undefined) return { state: 'waiting', why: `${late.file}: ${late.state}` };
  const [last, proven] = [lastProof(before), lastProof(after)];
  if (last !== undefined && !(proven !== undefined && proven > last)) {
    return { state: 'waiting', why: 'has made no new handshake yet' };
  }
  return undefined;
}

const keyOf = ({ instance = '', file }: FileStatus) => `${instance}/${file}`;
const isServed = ({ state }: FileStatus) => state === 'served';

/**
 * By the host's own clock, as both are. While an address does not answer, the time is of a handshake before, with a good agent as with a bad one: it says
 * nothing.
 */
function lastProof({ files }: ReadStatus): string | undefined {
  return files
    .flatMap(({ provenAt, unproven }) => (unproven?.reason !== 'unreachable' && provenAt) || [])
    .sort()
    .at(-1);
}
