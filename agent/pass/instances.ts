/**
 * Several HAProxy on one host: a pass for each of them, one after the other, each with a memory of its own; one that
 * fails stops no other. To the issuer it is one host: one status document, with an entry for each.
 */
import { join } from 'node:path';
import type { HostStatus } from '#contract/host-status.ts';
import type { Agent, PassResult } from '../agent.ts';
import type { AgentConfig } from '../config/config.ts';
import { readStateDirectory, saveState, saveStatus } from '../state/state.ts';
import { errorFields } from './log-outcome.ts';
import { isWorthReporting, statusDigest } from './status.ts';

/** The settings of each, as if it were alone; empty where there is one only. */
export function instanceConfigs(config: AgentConfig): AgentConfig[] {
  return config.instances.map((haproxy) => ({
    ...config,
    haproxy,
    instances: [],
    stateDir: join(config.stateDir, haproxy.name ?? ''),
  }));
}

interface Ways {
  sync: (one: Agent) => Promise<PassResult>;
  /** Of one that could make no pass. */
  readStatus: (one: Agent) => Promise<HostStatus | undefined>;
  put: (agent: Agent, status: HostStatus) => Promise<boolean>;
}

/** @throws the first failure, if none of them could make a pass */
export async function syncInstances(
  agent: Agent,
  instances: readonly Agent[],
  isDryRun: boolean,
  { sync, readStatus, put }: Ways,
): Promise<PassResult> {
  const results: PassResult[] = [];
  const failures: unknown[] = [];
  const parts: { name: string; status: HostStatus }[] = [];
  for (const one of instances) {
    const name = one.config.haproxy.name ?? '';
    try {
      const result = await sync(one);
      results.push({
        ...result,
        outcomes: result.outcomes.map((outcome) => ({ ...outcome, instance: name })),
      });
      parts.push({ name, status: result.status });
    } catch (error) {
      agent.log('run.failed', { instance: name, ...errorFields(error) });
      failures.push(error);
      const status = await readStatus(one);
      if (status !== undefined) parts.push({ name, status });
    }
  }
  const status = mergeStatuses(parts, agent.now());
  if (status !== undefined && !isDryRun) await report(agent, status, put);
  if (status === undefined || results.length === 0) throw failures[0];
  return mergeResults(results, status, failures[0]);
}

function mergeResults(results: readonly PassResult[], status: HostStatus, failure: unknown): PassResult {
  const times = results.flatMap(({ nextTryAt }) => nextTryAt ?? []);
  const first = (errors: unknown[]) => errors.find((error) => error !== undefined);
  return {
    outcomes: results.flatMap(({ outcomes }) => outcomes),
    status,
    error: first([failure, ...results.map(({ error }) => error)]),
    blocker: first([failure, ...results.map(({ blocker }) => blocker)]),
    isChanged: results.some(({ isChanged }) => isChanged),
    nextTryAt: times.sort((a, b) => a.getTime() - b.getTime())[0],
  };
}

/** Pure. Each file says in which HAProxy it is. Keys are in the order of the schema: equal must be equal bytes. */
export function mergeStatuses(
  parts: readonly { name: string; status: HostStatus }[],
  now: Date,
): HostStatus | undefined {
  const [first] = parts;
  if (first === undefined) return undefined;
  const { error: _, ...head } = first.status;
  const error = parts.map(({ status }) => status.error).find((found) => found !== undefined);
  return {
    ...head,
    reportedAt: now.toISOString(),
    haproxy: parts.flatMap(({ name, status }) => status.haproxy.map((one) => ({ name, ...one }))),
    files: parts.flatMap(({ name, status }) =>
      status.files.map(({ file, ...rest }) => ({ file, instance: name, ...rest })),
    ),
    ...(error && { error }),
  };
}

async function report(agent: Agent, status: HostStatus, put: Ways['put']): Promise<void> {
  const { stateDir } = agent.config;
  const memory = await readStateDirectory(stateDir, agent.config, agent.log);
  const digest = statusDigest(status);
  const isChanged = memory.status === undefined || statusDigest(memory.status) !== digest;
  if (!isChanged && !isWorthReporting(digest, memory.state.reported, agent.now())) return;
  await saveStatus(stateDir, status);
  if (!(await put(agent, status))) return;
  const reported = { digest, at: status.reportedAt };
  await saveState(stateDir, { ...memory.state, reported }, memory.state);
}
