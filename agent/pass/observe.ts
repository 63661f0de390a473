/** What a pass finds before it acts: HAProxy as it is, and what keeps the pass from loading into it. */
import type { Agent, HostView, ReachableHost, UnreachableHost } from '../agent.ts';
import { asBlocker } from '../blocker.ts';
import { type Action, isLoading } from '../deploy/action.ts';
import { RuntimeCommandFailed } from '../errors.ts';
import type { Tails } from '../haproxy/crt-list-line.ts';
import { reasonTooOld } from '../haproxy/version.ts';
import { type HaproxyView, viewHaproxy } from '../haproxy/view.ts';

/**
 * Before anything is written. One that does not answer has no version: the pass says why.
 * @throws RuntimeCommandFailed `ERR_RUNTIME_VERSION`
 */
export async function checkVersion({ runtime }: Agent): Promise<void> {
  const state = await runtime.showInfo().catch(() => undefined);
  const reason = state && reasonTooOld(state.version);
  if (reason === undefined) return;
  const advice = 'upgrade HAProxy; the agent changes nothing until then';
  throw new RuntimeCommandFailed('ERR_RUNTIME_VERSION', { verb: 'show info' }, `${reason}; ${advice}`);
}

export async function observeHaproxy(
  agent: Agent,
  files: Tails,
): Promise<Pick<ReachableHost, 'haproxy' | 'blocker'> | Pick<UnreachableHost, 'haproxy' | 'blocker'>> {
  try {
    const haproxy = await viewHaproxy(agent.runtime, agent.config.haproxy, files);
    return { haproxy, blocker: haproxy.process.isStopping ? stopping(haproxy) : undefined };
  } catch (error) {
    return { haproxy: undefined, blocker: asBlocker(error) };
  }
}

/**
 * Aborts a transaction that a killed run of ours has left, and the pass goes on. It aborts another program's, too
 * (an abandoned one would block HAProxy for ever), but that program may be at work: so nothing is loaded in this pass.
 * @returns the view, with why nothing can be loaded now
 */
export async function clearTransaction(view: HostView, actions: readonly Action[]): Promise<HostView> {
  if (view.haproxy === undefined || view.blocker !== undefined || !actions.some(isLoading)) return view;
  const filenames = [...view.haproxy.files.values()].flat().map(({ filename }) => filename);
  const [probe] = filenames;
  if (probe === undefined) return view;
  try {
    const aborted = await view.runtime.abortAnyTransaction(probe);
    if (aborted === undefined) return view;
    view.log('transaction.aborted', { filename: aborted, code: 'ERR_RUNTIME_FOREIGN_TRANSACTION' });
    return filenames.includes(aborted) ? view : { ...view, blocker: foreign(aborted) };
  } catch (error) {
    return { ...view, blocker: asBlocker(error) };
  }
}

function stopping({ process }: HaproxyView): RuntimeCommandFailed {
  const detail = `Pid ${process.pid} is stopping: an old worker, or HAProxy shuts down`;
  return new RuntimeCommandFailed('ERR_RUNTIME_RELOADED', { verb: 'show info' }, detail);
}

function foreign(filename: string): RuntimeCommandFailed {
  const detail =
    'another program had this transaction open: the agent has aborted it, and the next pass loads';
  const request = { verb: 'set ssl cert', filename };
  return new RuntimeCommandFailed('ERR_RUNTIME_FOREIGN_TRANSACTION', request, detail);
}
