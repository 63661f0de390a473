/**
 * What the Runtime API cannot do, a reload can: one for all files of a pass, at most one in a window, and only if
 * HAProxy itself finds its configuration right. Off unless the operator gives the command.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { digest } from '#contract/combined-pem.ts';
import { codeOf, messageOf } from '#contract/errors.ts';
import type { Agent, HostView } from '../agent.ts';
import type { ReloadSettings } from '../config/haproxy.ts';
import { isOfDesired, type Outcome, type ReloadDecision } from '../deploy/action.ts';
import { isAnyServed } from '../deploy/without-socket.ts';
import type { DesiredFile } from '../desired/files.ts';
import { HostError, type HostErrorCode } from '../errors.ts';
import type { AgentState } from '../state/state.ts';
import { runProgram } from './command.ts';
import { logReloadDecision } from './log-outcome.ts';
import { stateOf } from './status.ts';

export type ReloadRecord = NonNullable<AgentState['reload']>;

const WORKER_POLL_MS = 200;
/** All versions read a directory for ever that they take for a file. */
const HANGS = '; a crt-list line that names a directory makes HAProxy hang: "pemfleet-agent doctor" finds it';

/** Which bytes in which files a reload is to bring; `undefined`: none is needed. */
export function reloadWish(outcomes: readonly Outcome[]): string | undefined {
  const files = waitingIn(outcomes).map(({ file, sha256 }) => `${file} ${sha256}`);
  return files.length === 0 ? undefined : digest(files.sort().join('\n'));
}

function waitingIn(outcomes: readonly Outcome[]): DesiredFile[] {
  const waiting = outcomes.filter((outcome) => stateOf(outcome) === 'needs-reload');
  return waiting.filter(isOfDesired).map(({ action }) => action.desired);
}

export function decideReload(
  settings: ReloadSettings | undefined,
  last: ReloadRecord | undefined,
  wish: string | undefined,
  now: Date,
): ReloadDecision {
  if (settings === undefined || wish === undefined) return { kind: 'not-needed' };
  if (last?.wish === wish && last.failure === undefined) return { kind: 'in-vain' };
  const until = new Date(Date.parse(last?.at ?? new Date(0).toISOString()) + settings.windowMs);
  return last !== undefined && now < until ? { kind: 'wait', until } : { kind: 'reload', wish };
}

/** @returns what was tried */
export async function reloadIfNeeded(
  agent: Agent,
  { reload: last }: AgentState,
  view: HostView,
  outcomes: readonly Outcome[],
): Promise<ReloadRecord | undefined> {
  const settings = agent.config.haproxy.reload;
  const decision = decideReload(settings, last, reloadWish(outcomes), agent.now());
  logReloadDecision(agent.log, decision);
  if (decision.kind !== 'reload' || settings === undefined) return undefined;
  const before = view.haproxy?.process.pid;
  if (before === undefined && !view.isWithoutSocket) return undefined;
  // Without a socket, those that wait tell of the new worker.
  const isReloaded =
    before === undefined ? isAnyServed(waitingIn(outcomes), agent) : hasNewWorker(agent, before);
  const record = await reload(agent, settings, decision.wish, {
    isReloaded,
    isWithoutSocket: before === undefined,
  });
  if (record.failure === undefined) agent.log('reload.done', { before });
  else agent.log('reload.failed', { code: record.failure.code, message: record.failure.message });
  return record;
}

/** @returns what is to be remembered of it; a failure is told in it, and the window counts for it, too */
async function reload(
  agent: Agent,
  { check, command, timeoutMs }: ReloadSettings,
  wish: string,
  { isReloaded, isWithoutSocket }: { isReloaded: () => Promise<boolean>; isWithoutSocket: boolean },
): Promise<ReloadRecord> {
  const record = { at: agent.now().toISOString(), wish };
  try {
    await carryOut('ERR_RELOAD_CHECK', check, timeoutMs);
    await carryOut('ERR_RELOAD_COMMAND', command, timeoutMs);
    // Nobody says that there is a new worker where there is no socket: what is not handed out now was reloaded for in vain.
    if (!(await comesTrue(isReloaded, agent.now, timeoutMs)) && !isWithoutSocket)
      throw noNewWorker(timeoutMs);
    return record;
  } catch (error) {
    return { ...record, failure: { code: codeOf(error), message: messageOf(error) } };
  }
}

function hasNewWorker({ runtime }: Agent, before: number): () => Promise<boolean> {
  return async () => {
    const seen = await runtime.showInfo().catch(() => undefined);
    return seen !== undefined && seen.pid !== before && !seen.isStopping;
  };
}

/** @returns false when it has not come true in time; a look that has begun is not cut off */
async function comesTrue(look: () => Promise<boolean>, now: () => Date, timeoutMs: number): Promise<boolean> {
  const begin = now().getTime();
  while (!(await look())) {
    if (now().getTime() - begin >= timeoutMs) return false;
    await sleep(WORKER_POLL_MS);
  }
  return true;
}

function noNewWorker(timeoutMs: number): HostError {
  const detail = `the reload command succeeded, but no new worker answers after ${timeoutMs} ms: look into HAProxy's log`;
  return new HostError('ERR_RELOAD_COMMAND', detail);
}

async function carryOut(code: HostErrorCode, command: readonly string[], timeoutMs: number): Promise<void> {
  const { status, isRunning, output } = await runProgram(command, timeoutMs);
  if (status === 0) return;
  const [program] = command;
  const end =
    status === 'late'
      ? `${program} did not end within ${timeoutMs} ms and ${isRunning ? 'could not be' : 'was'} stopped${code === 'ERR_RELOAD_CHECK' ? HANGS : ''}`
      : `${program} ended with ${status}`;
  throw new HostError(code, [end, firstLines(output)].filter(Boolean).join(': '));
}

/** Of what a program said: what it complains of, and no line that could hold a key. */
export function firstLines(output: string): string {
  const lines = output.split('\n').filter((line) => line.trim() !== '');
  const safe = lines.filter((line) => !/PRIVATE KEY|[A-Za-z0-9+/=]{48,}/.test(line));
  const complaints = safe.filter((line) => /\[ALERT\]|error|fail/i.test(line));
  const told = complaints.length > 0 ? complaints : safe;
  return told
    .slice(0, 3)
    .map((line) => line.trim().slice(0, 300))
    .join(' / ');
}
