/**
 * The resident agent: one pass at a time, for ever. Between two passes it only looks: one conditional GET and
 * one `show info`; if neither says anything new, nothing else is read, and nothing is written.
 */
import { codeOf } from '#contract/errors.ts';
import type { HostStatus } from '#contract/host-status.ts';
import { layout } from '#contract/layout.ts';
import type { Agent, PassResult } from '../agent.ts';
import type { AgentConfig } from '../config/config.ts';
import { errorFields } from '../pass/log-outcome.ts';
import { sync } from '../pass/sync.ts';

/** Finds what nobody told us: a file edited, a certificate set by hand. */
const FULL_PASS_MS = 600_000;

export interface Loop {
  agent: Agent;
  /** Ends the loop after the certificates in hand. */
  signal: AbortSignal;
  /** Resolves after `ms`, at once when somebody wants a poll now, or when the loop ends. */
  sleep: (ms: number) => Promise<void>;
  /** 0 to 1, evenly. */
  random: () => number;
  /** Whoever wants to know how it stands. */
  afterPoll?: (end: PollOutcome) => Promise<void>;
}

export interface PollOutcome {
  /** Of the last pass that came to its end. */
  status: HostStatus | undefined;
  /** What hinders the whole host. */
  code: string | undefined;
}

/** What the last full pass left, by which a look can tell that there is nothing new. */
interface LastPass {
  etag: string | undefined;
  status: HostStatus;
  /** Of what blocked the whole host. */
  code: string | undefined;
  /** Of what a look must meet again if there is nothing new. */
  blockerCode: string | undefined;
  at: Date;
  nextTryAt: Date | undefined;
}

export async function runLoop(loop: Loop): Promise<void> {
  const { agent, signal } = loop;
  agent.log('agent.started', { version: agent.version, fleet: agent.config.fleet, host: agent.config.host });
  let seen: LastPass | undefined;
  let status: HostStatus | undefined;
  while (!signal.aborted) {
    const end = await turn(loop, seen);
    seen = end.seen;
    status = seen?.status ?? status;
    await loop.afterPoll?.({ status, code: end.code });
    if (!signal.aborted) await loop.sleep(agent.config.pollIntervalMs * (0.9 + 0.2 * loop.random()));
  }
  agent.log('agent.stopped');
}

/** A failed pass is told; the loop goes on. */
async function turn(
  { agent, signal }: Loop,
  seen: LastPass | undefined,
): Promise<{ seen: LastPass | undefined; code: string | undefined }> {
  try {
    if (seen !== undefined && (await hasNoNews(agent, seen))) {
      agent.log('manifest.unchanged', { etag: seen.etag });
      return { seen, code: seen.code };
    }
    const next = remember(await sync(agent, { signal }), agent.now());
    return { seen: next, code: next.code };
  } catch (error) {
    agent.log('run.failed', errorFields(error));
    return { seen: undefined, code: codeOf(error) };
  }
}

async function hasNoNews(agent: Agent, seen: LastPass): Promise<boolean> {
  const now = agent.now();
  if (now.getTime() - seen.at.getTime() >= FULL_PASS_MS) return false;
  if (seen.nextTryAt !== undefined && now >= seen.nextTryAt) return false;
  const code = await lookForNews(agent, seen).catch(codeOf);
  return code === seen.blockerCode;
}

/** @returns what a full pass would find hindering, `undefined` if nothing, `'news'` if there is something to do */
async function lookForNews(agent: Agent, seen: LastPass): Promise<string | undefined> {
  const bucket = await agent.openBucket();
  const key = layout.manifest(agent.config.fleet);
  const found =
    seen.etag === undefined ? await bucket.get(key) : await bucket.get(key, { ifNoneMatch: seen.etag });
  if (found === undefined) return 'ERR_MANIFEST_MISSING';
  if (found !== 'not-modified') return 'news';
  let code: string | undefined;
  for (const { runtime, config } of agent.instances ?? [agent]) {
    const process = await runtime.showInfo().catch((error: unknown) => {
      code ??= codeOf(error);
    });
    if (process?.pid !== pidIn(seen.status, config) || process?.isStopping) return 'news';
  }
  return code;
}

function remember({ status, error, blocker, nextTryAt }: PassResult, at: Date): LastPass {
  const [code, blockerCode] = [error, blocker].map((one) => (one === undefined ? undefined : codeOf(one)));
  return { status, etag: status.manifest, code, blockerCode, at, nextTryAt };
}

/** By name, or by socket where there is one only: one of several that could make no pass has no entry. */
export function pidIn(
  { haproxy }: Pick<HostStatus, 'haproxy'>,
  { haproxy: { name, statsSocket } }: Pick<AgentConfig, 'haproxy'>,
): number | undefined {
  return haproxy.find((one) => (name === undefined ? one.socket === statsSocket : one.name === name))?.pid;
}
