/**
 * What the Runtime API cannot do, a reload can: one for all files of a pass, at most one in a window, and only if
 * HAProxy itself finds its configuration right. Off unless the operator gives the command.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { digest } from '#contract/combined-pem.ts';
import { codeOf, messageOf } from '#contract/errors.ts';
import type { Agent } from './agent.ts';
import type { ReloadSettings } from './config-haproxy.ts';
import { HostError, type HostErrorCode } from './errors.ts';
import type { Outcome } from './records.ts';
import type { Scene } from './scene.ts';
import type { AgentState } from './state.ts';
import { stateOf } from './status.ts';
import { tellReloadDecision } from './tell.ts';

export type ReloadRecord = NonNullable<AgentState['reload']>;

export type ReloadDecision =
  | { kind: 'not-needed' }
  | { kind: 'reload'; wish: string }
  /** Another one was made a short while ago. */
  | { kind: 'wait'; until: Date }
  /** It was reloaded for just these files, and did not take them: its configuration does not name them. */
  | { kind: 'in-vain' };

const COMMAND_TIMEOUT_MS = 300_000;
const WORKER_POLL_MS = 200;
const LAST_WORDS_MS = 500;
const MAX_OUTPUT = 65_536;

/** Which bytes in which files a reload is to bring; `undefined`: none is needed. */
export function reloadWish(outcomes: readonly Outcome[]): string | undefined {
  const waiting = outcomes.filter((outcome) => outcome.action.wanted && stateOf(outcome) === 'needs-reload');
  const files = waiting.map(({ action }) => `${action.file} ${action.wanted?.sha256}`);
  return files.length === 0 ? undefined : digest(files.sort().join('\n'));
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
  { haproxy }: Scene,
  outcomes: readonly Outcome[],
): Promise<ReloadRecord | undefined> {
  const settings = agent.config.haproxy.reload;
  const decision = decideReload(settings, last, reloadWish(outcomes), agent.now());
  tellReloadDecision(agent.log, decision);
  if (decision.kind !== 'reload' || settings === undefined || haproxy === undefined) return undefined;
  const record = await reload(agent, settings, decision.wish, haproxy.process.pid);
  if (record.failure === undefined) agent.log('reload.done', { before: haproxy.process.pid });
  else agent.log('reload.failed', { code: record.failure.code, message: record.failure.message });
  return record;
}

/** @returns what is to be remembered of it; a failure is told in it, and the window counts for it, too */
async function reload(
  agent: Agent,
  settings: ReloadSettings,
  wish: string,
  pid: number,
): Promise<ReloadRecord> {
  const record = { at: agent.now().toISOString(), wish };
  try {
    await runCommand('ERR_RELOAD_CHECK', settings.check);
    await runCommand('ERR_RELOAD_COMMAND', settings.command);
    await waitForWorker(agent, pid, settings.timeoutMs);
    return record;
  } catch (error) {
    return { ...record, failure: { code: codeOf(error), message: messageOf(error) } };
  }
}

async function waitForWorker({ runtime }: Agent, before: number, timeoutMs: number): Promise<void> {
  for (let waitedMs = 0; waitedMs < timeoutMs; waitedMs += WORKER_POLL_MS) {
    const seen = await runtime.showInfo().catch(() => undefined);
    if (seen !== undefined && seen.pid !== before && !seen.isStopping) return;
    await sleep(WORKER_POLL_MS);
  }
  const detail = `the reload command succeeded, but no new worker answers after ${timeoutMs} ms (Pid is still ${before}): look into HAProxy's log`;
  throw new HostError('ERR_RELOAD_COMMAND', detail);
}

/** No shell: words as they are configured. */
async function runCommand(code: HostErrorCode, [program = '', ...args]: readonly string[]): Promise<void> {
  const child = spawn(program, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' },
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      if (output.length < MAX_OUTPUT) output += text;
    });
  // Not spawn's own `timeout`: of a program that is not there, its timer would keep us waiting.
  const deadline = setTimeout(() => child.kill('SIGKILL'), COMMAND_TIMEOUT_MS);
  const [status, signal] = await once(child, 'exit').catch((error: unknown) => [messageOf(error)]);
  clearTimeout(deadline);
  // A process that it has left behind may hold the pipes for ever.
  await Promise.race([once(child, 'close'), sleep(LAST_WORDS_MS)]);
  for (const stream of [child.stdout, child.stderr]) stream.destroy();
  if (status === 0) return;
  const said = firstLines(output);
  throw new HostError(code, `${program} ended with ${signal ?? status}${said === '' ? '' : `: ${said}`}`);
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
