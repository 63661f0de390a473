/**
 * Reloads HAProxy for what the Runtime API cannot do: once for all files of a pass, at most once in a window, and only
 * if HAProxy itself accepts its configuration. Off unless the operator configures the command.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { digest } from '#contract/combined-pem.ts';
import { codeOf, messageOf } from '#contract/errors.ts';
import type { Agent, HostView } from '../agent.ts';
import type { ReloadSettings } from '../config/haproxy.ts';
import { isOfDesired, type Outcome, type ReloadDecision } from '../deploy/action.ts';
import { isAnyServed } from '../deploy/without-socket.ts';
import type { DesiredFile } from '../desired/files.ts';
import { HostError } from '../errors.ts';
import { firstLines, runProgram } from '../haproxy/program.ts';
import type { HostErrorCode } from '../reactions.ts';
import { type AgentState, isStateRemembered, saveState } from '../state/state.ts';
import { stateOf } from './host-status.ts';
import { logReloadDecision } from './log-outcome.ts';

type ReloadRecord = NonNullable<AgentState['reload']>;

const WORKER_POLL_MS = 200;
/** All versions read for ever when a line names a directory as a file. */
const HANGS = '; a crt-list line that names a directory makes HAProxy hang: "pemfleet-agent doctor" finds it';

/** @returns the digest of the files, with their content, for which a reload is needed; `undefined`: for none */
export function reloadDigest(outcomes: readonly Outcome[]): string | undefined {
  const files = waitingIn(outcomes).map(({ file, sha256 }) => `${file} ${sha256}`);
  // Removed from the disk: HAProxy's default certificate until then.
  const removed = outcomes.filter(({ kind, deployed }) => kind === 'failed' && deployed.isRemoved);
  files.push(...removed.map(({ action }) => `${action.file} removed`));
  return files.length === 0 ? undefined : digest(files.sort().join('\n'));
}

function waitingIn(outcomes: readonly Outcome[]): DesiredFile[] {
  const waiting = outcomes.filter((outcome) => stateOf(outcome) === 'needs-reload');
  return waiting.filter(isOfDesired).map(({ action }) => action.desired);
}

export function decideReload(
  settings: ReloadSettings | undefined,
  last: ReloadRecord | undefined,
  filesDigest: string | undefined,
  now: Date,
): ReloadDecision {
  if (settings === undefined || filesDigest === undefined) return { kind: 'not-needed' };
  if (last?.wish === filesDigest && last.failure === undefined) return { kind: 'in-vain' };
  const at = Date.parse(last?.at ?? new Date(0).toISOString());
  const until = new Date(at + settings.windowMs);
  // A reload in the future was recorded while the clock was ahead.
  const isAhead = at - now.getTime() > settings.windowMs;
  return last !== undefined && now < until && !isAhead
    ? { kind: 'wait', until }
    : { kind: 'reload', filesDigest };
}

/** @returns the reload that it has tried, if any */
export async function reloadIfNeeded(
  agent: Agent,
  state: AgentState,
  view: HostView,
  outcomes: readonly Outcome[],
): Promise<ReloadRecord | undefined> {
  const settings = agent.config.haproxy.reload;
  const decision = decideReload(settings, state.reload, reloadDigest(outcomes), agent.now());
  logReloadDecision(agent.log, decision);
  if (decision.kind !== 'reload' || settings === undefined) return undefined;
  const before = view.haproxy?.process.pid;
  if (before === undefined && !view.isWithoutSocket) return undefined;
  if (!(await recordAttempt(agent, state, decision.filesDigest))) return undefined;
  // Without a socket, the files that wait show whether there is a new worker.
  const isReloaded =
    before === undefined ? isAnyServed(waitingIn(outcomes), agent) : hasNewWorker(agent, before);
  const record = await reload(agent, settings, decision.filesDigest, {
    isReloaded,
    isWithoutSocket: before === undefined,
  });
  if (record.failure === undefined) agent.log('reload.done', { before });
  else agent.log('reload.failed', { code: record.failure.code, message: record.failure.message });
  return record;
}

/**
 * Saves the attempt before it is made: a run that is killed, or whose state directory takes nothing, must not reload
 * HAProxy again and again.
 */
async function recordAttempt(agent: Agent, state: AgentState, filesDigest: string): Promise<boolean> {
  const { stateDir } = agent.config;
  const failure = { code: 'ERR_RELOAD_COMMAND', message: 'the agent was stopped while it reloaded HAProxy' };
  const attempt = { at: agent.now().toISOString(), wish: filesDigest, failure };
  if ((await saveState(stateDir, { ...state, reload: attempt }, state)) || isStateRemembered(stateDir)) {
    return true;
  }
  agent.log('reload.deferred', { code: 'ERR_STATE_DIRECTORY', reason: 'the reload cannot be recorded' });
  return false;
}

/** @returns the record of the reload; a failure is in it, and the window counts for a failed one, too */
async function reload(
  agent: Agent,
  { check, command, timeoutMs }: ReloadSettings,
  filesDigest: string,
  { isReloaded, isWithoutSocket }: { isReloaded: () => Promise<boolean>; isWithoutSocket: boolean },
): Promise<ReloadRecord> {
  const record = { at: agent.now().toISOString(), wish: filesDigest };
  try {
    await runOrFail('ERR_RELOAD_CHECK', check, timeoutMs);
    await runOrFail('ERR_RELOAD_COMMAND', command, timeoutMs);
    // Without a socket nothing says that there is a new worker: a reload after which no file is handed out was in vain.
    if (!(await becomesTrue(isReloaded, timeoutMs)) && !isWithoutSocket) {
      throw noNewWorker(timeoutMs);
    }
    return record;
  } catch (error) {
    return { ...record, failure: { code: codeOf(error), message: messageOf(error) } };
  }
}

function hasNewWorker({ runtime }: Agent, before: number): () => Promise<boolean> {
  return async () => {
    const worker = await runtime.showInfo().catch(() => undefined);
    return worker !== undefined && worker.pid !== before && !worker.isStopping;
  };
}

/** @returns false if `isTrue` does not become true in time; a call that has begun is not cut off */
async function becomesTrue(isTrue: () => Promise<boolean>, timeoutMs: number): Promise<boolean> {
  // By a clock that nobody sets.
  const begin = performance.now();
  while (!(await isTrue())) {
    if (performance.now() - begin >= timeoutMs) return false;
    await sleep(WORKER_POLL_MS);
  }
  return true;
}

function noNewWorker(timeoutMs: number): HostError {
  const detail = `the reload command succeeded, but no new worker answers after ${timeoutMs} ms: look into HAProxy's log`;
  return new HostError('ERR_RELOAD_COMMAND', detail);
}

async function runOrFail(code: HostErrorCode, command: readonly string[], timeoutMs: number): Promise<void> {
  const { status, isRunning, output } = await runProgram(command, timeoutMs);
  if (status === 0) return;
  const [program] = command;
  const end =
    status === 'late'
      ? `${program} did not end within ${timeoutMs} ms and ${isRunning ? 'could not be' : 'was'} stopped${code === 'ERR_RELOAD_CHECK' ? HANGS : ''}`
      : `${program} ended with ${status}`;
  throw new HostError(code, [end, firstLines(output)].filter(Boolean).join(': '));
}
