/** The exit statuses of `pemfleet-agent` (64 and 78 as in sysexits(3)), and which of them a pass or a status ends with. */
import type { HostCondition, HostStatus } from '#contract/host-status.ts';
import type { PassResult } from '../agent.ts';
import { isRuntimeErrorCode } from '../reactions.ts';

export const EXIT = { ok: 0, failure: 1, partly: 3, usage: 64, config: 78 } as const;

/** HAProxy out of reach counts as `partly`, not as a failure: its next start reads the files. */
export function exitStatusOf({ status, error }: PassResult): number {
  const states = status.files.map(({ state }) => state);
  if (error !== undefined && !isRuntimeErrorCode(error.code)) return EXIT.failure;
  if (states.length > 0 && states.every((state) => state === 'failed')) return EXIT.failure;
  const isWaiting = status.error !== undefined || status.removals !== undefined;
  return error !== undefined || isWaiting || states.some((state) => state !== 'served')
    ? EXIT.partly
    : EXIT.ok;
}

/** Conditions in which nothing is late or refused. */
const CALM = ['key-unverified', 'unsigned-manifest'];

/** Of `pemfleet-agent status`: `partly` if a certificate is not served, or the last pass met an error. */
export function exitStatusOfStatus({ error, files, removals, conditions = [] }: HostStatus): number {
  const isCalm = ({ condition }: HostCondition) => CALM.includes(condition);
  if (removals !== undefined || !conditions.every(isCalm)) return EXIT.partly;
  return error !== undefined || files.some(({ state }) => state !== 'served') ? EXIT.partly : EXIT.ok;
}
