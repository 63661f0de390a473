/**
 * The loop of the resident agent: it polls until a signal stops it. A poll is one conditional GET and one `show info`;
 * if neither shows a change, it looks whether files and HAProxy are as the last pass has left them, and writes nothing. Otherwise it makes
 * a full pass.
 */
import { MINUTE_MS } from '#common/time.ts';
import { codeOf } from '#contract/errors.ts';
import type { HostStatus } from '#contract/host-status.ts';
import type { Agent, PassOptions, PassResult } from '../agent.ts';
import { trustPlaces } from '../config/config.ts';
import { pidIn, syncHost } from '../pass/instances.ts';
import { errorFields } from '../pass/log-outcome.ts';
import { IN_A_PASS } from '../proof/pace.ts';
import { hasNewWord } from '../state/trust.ts';
import { isUnchangedIn } from '../trust/published.ts';
import { HostWatch } from '../watch/watch.ts';
import { ProvedHook } from './proved-hook.ts';
import type { Prover } from './prover.ts';

/** The time after which a poll makes a pass in any case. */
const FULL_PASS_MS = 10 * MINUTE_MS;

export interface LoopOptions {
  agent: Agent;
  /** Ends the loop after the certificates in hand. */
  signal: AbortSignal;
  /** Resolves after `ms`; earlier when SIGHUP asks for a poll, or when the loop ends. */
  sleep: (ms: number) => Promise<void>;
  /** A number from 0 to 1, evenly distributed. */
  random: () => number;
  afterPoll?: (outcome: PollOutcome) => Promise<void>;
  /** Proves between polls; absent: each pass proves what is due. */
  prover?: Prover | undefined;
}

export interface PollOutcome {
  /** Status after the last completed pass. */
  status: HostStatus | undefined;
  /** Code of an error that affects the whole host. */
  code: string | undefined;
}

/** What a poll compares with to see that nothing has changed. */
interface LastPass extends Pick<PassResult, 'published'> {
  etag: string | undefined;
  status: HostStatus;
  /** Code of `PassResult.error`. */
  code: string | undefined;
  /** Code of `PassResult.blocker`, which an unchanged poll meets again. */
  blockerCode: string | undefined;
  at: Date;
  nextTryAt: Date | undefined;
}

export async function runLoop(options: LoopOptions): Promise<void> {
  const { agent, signal, sleep, random, afterPoll } = options;
  agent.log('agent.started', { version: agent.version, fleet: agent.config.fleet, host: agent.config.host });
  const watch = new HostWatch(agent);
  const provedHook = await ProvedHook.open(agent);
  let lastPass: LastPass | undefined;
  let status: HostStatus | undefined;
  while (!signal.aborted) {
    const poll = await pollOnce(options, { lastPass, watch });
    lastPass = poll.lastPass;
    status = lastPass?.status ?? status;
    await provedHook.run(poll.result);
    await afterPoll?.({ status, code: poll.code });
    if (!signal.aborted) await sleep(agent.config.pollIntervalMs * (0.9 + 0.2 * random()));
  }
  agent.log('agent.stopped');
}

/** What the polls before have left behind. */
interface Known {
  lastPass: LastPass | undefined;
  watch: HostWatch;
}

/** A failed pass is logged, and the next poll makes another. */
async function pollOnce(
  { agent, signal, prover }: LoopOptions,
  { lastPass, watch }: Known,
): Promise<{ lastPass: LastPass | undefined; code: string | undefined; result?: PassResult }> {
  try {
    const isIdle = lastPass !== undefined && !prover?.isPassWanted && (await isUnchanged(agent, lastPass));
    const suspects = await watch.look(isIdle);
    if (isIdle && suspects.size === 0) {
      agent.log('manifest.unchanged', { etag: lastPass.etag });
      return { lastPass, code: lastPass.code };
    }
    const result = await passBetweenProofs(agent, { signal, suspects }, prover);
    const pass = lastPassOf(result, agent.now());
    await watch.reset(result.left);
    return { lastPass: pass, code: pass.code, result };
  } catch (error) {
    agent.log('run.failed', errorFields(error));
    return { lastPass: undefined, code: codeOf(error) };
  }
}

async function passBetweenProofs(
  agent: Agent,
  options: PassOptions,
  prover: Prover | undefined,
): Promise<PassResult> {
  if (prover === undefined) return syncHost(agent, options);
  prover.pause();
  let result: PassResult | undefined;
  try {
    result = await syncHost(agent, { ...options, provesAtMost: IN_A_PASS });
    return result;
  } finally {
    prover.resume(result);
  }
}

async function isUnchanged(agent: Agent, lastPass: LastPass): Promise<boolean> {
  const now = agent.now();
  const agoMs = now.getTime() - lastPass.at.getTime();
  // The clock was set back: what was to happen by the old time is looked at by the new one.
  if (agoMs < 0 || agoMs >= FULL_PASS_MS) return false;
  if (lastPass.nextTryAt !== undefined && now >= lastPass.nextTryAt) return false;
  if (await hasNewWord(trustPlaces(agent.config), agent.memory)) return false;
  const code = await currentBlocker(agent, lastPass).catch(codeOf);
  return code === lastPass.blockerCode;
}

/** @returns the code of what would block a full pass, `undefined` if nothing does, `'changed'` if a pass has work to do */
async function currentBlocker(agent: Agent, { published, status }: LastPass): Promise<string | undefined> {
  if (!(await isUnchangedIn(await agent.openBucket(), published.reads))) return 'changed';
  let { code } = published;
  for (const { runtime, config } of agent.instances ?? [agent]) {
    const process = await runtime.showInfo().catch((error: unknown) => {
      code ??= codeOf(error);
    });
    if (process?.pid !== pidIn(status, config) || process?.isStopping) return 'changed';
  }
  return code;
}

function lastPassOf({ status, error, blocker, published, nextTryAt }: PassResult, at: Date): LastPass {
  return {
    status,
    published,
    etag: status.manifest,
    code: error?.code,
    blockerCode: blocker?.code,
    at,
    nextTryAt,
  };
}

/** What a single pass, outside of the loop, amounts to. */
export function pollOutcomeOf({ status, error }: Pick<PassResult, 'status' | 'error'>): PollOutcome {
  return { status, code: error?.code };
}
