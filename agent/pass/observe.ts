/** What a pass finds before it acts: HAProxy as it is, and what stands in the way. */
import type { Agent, HostView } from '../agent.ts';
import { type Action, isLoading } from '../deploy/action.ts';
import { RuntimeCommandFailed } from '../errors.ts';
import type { Tails } from '../haproxy/crt-list-line.ts';
import { type HaproxyView, viewHaproxy } from '../haproxy/view.ts';

export async function observeHaproxy(
  agent: Agent,
  files: Tails,
): Promise<Pick<HostView, 'haproxy' | 'blocker'>> {
  try {
    const haproxy = await viewHaproxy(agent.runtime, agent.config.haproxy, files);
    return { haproxy, blocker: haproxy.process.isStopping ? stopping(haproxy) : undefined };
  } catch (error) {
    return { haproxy: undefined, blocker: error };
  }
}

/**
 * A transaction that a killed run of ours has left is aborted, and the pass goes on. Somebody else's is aborted
 * too (one that was abandoned would block HAProxy for ever), but they may be at work: we come back next time.
 * @returns why nothing can be loaded now
 */
export async function clearTransaction(
  agent: Agent,
  actions: readonly Action[],
  haproxy: HaproxyView | undefined,
): Promise<unknown> {
  const places = [...(haproxy?.files.values() ?? [])].flat().map(({ filename }) => filename);
  const [probe] = places;
  if (probe === undefined || !actions.some(isLoading)) return undefined;
  try {
    const aborted = await agent.runtime.abortAnyTransaction(probe);
    if (aborted === undefined) return undefined;
    agent.log('transaction.aborted', { filename: aborted, code: 'ERR_RUNTIME_FOREIGN_TRANSACTION' });
    return places.includes(aborted) ? undefined : foreign(aborted);
  } catch (error) {
    return error;
  }
}

function stopping({ process }: HaproxyView): RuntimeCommandFailed {
  const detail = `Pid ${process.pid} is stopping: an old worker, or HAProxy shuts down`;
  return new RuntimeCommandFailed('ERR_RUNTIME_RELOADED', { verb: 'show info' }, detail);
}

function foreign(filename: string): RuntimeCommandFailed {
  const detail = 'somebody else had this transaction open; it was aborted, the next pass goes on';
  return new RuntimeCommandFailed(
    'ERR_RUNTIME_FOREIGN_TRANSACTION',
    { verb: 'set ssl cert', filename },
    detail,
  );
}
