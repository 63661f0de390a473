/**
 * Several HAProxy on one host: the agent makes a pass for each, one after the other, each with a state directory of its
 * own; one that fails stops no other. The issuer sees one host: one status document, with an entry for each.
 */
import { type HostCondition, type HostStatus, MAX_DRIFTS, MAX_ENDED_ENTRIES } from '#contract/host-status.ts';
import { layout } from '#contract/layout.ts';
import { readHead } from '#contract/root.ts';
import type { Agent, PassOptions, PassResult } from '../agent.ts';
import { asBlocker, type Blocker } from '../blocker.ts';
import type { AgentConfig } from '../config/config.ts';
import type { ProofPace } from '../proof/pace.ts';
import { DEAD_BIND, proofsOfAll } from '../proof/status.ts';
import { readStateDirectory, saveState } from '../state/state.ts';
import { errorFields } from './log-outcome.ts';
import { readOwnStatus, reportIfDue } from './report.ts';
import { sync } from './sync.ts';

/** A pass over each HAProxy of the host. */
export async function syncHost(agent: Agent, options: PassOptions = {}): Promise<PassResult> {
  return agent.instances?.length ? syncInstances(agent, agent.instances, options) : sync(agent, options);
}

/** @throws the first failure, if none of them could make a pass */
async function syncInstances(
  agent: Agent,
  instances: readonly Agent[],
  options: PassOptions,
): Promise<PassResult> {
  const results: PassResult[] = [];
  const failures: unknown[] = [];
  const parts: { name: string; status: HostStatus }[] = [];
  for (const one of instances) {
    const name = one.config.haproxy.name ?? '';
    try {
      const result = await sync(one, options);
      const outcomes = result.outcomes.map((outcome) => ({ ...outcome, instance: name }));
      results.push({ ...result, outcomes });
      parts.push({ name, status: result.status });
    } catch (error) {
      agent.log('run.failed', { instance: name, ...errorFields(error) });
      failures.push(error);
      const status = await readOwnStatus(one);
      if (status !== undefined) parts.push({ name, status });
    }
  }
  const status = mergeStatuses(parts, mergeInputOf(agent, instances));
  if (status !== undefined && !options.isDryRun) await reportTogether(agent, status);
  if (status === undefined || results.length === 0) throw failures[0];
  return mergeResults(results, status, failures.map(asBlocker));
}

function mergeResults(
  results: readonly PassResult[],
  status: HostStatus,
  failures: readonly Blocker[],
): PassResult {
  const times = results.flatMap(({ nextTryAt }) => nextTryAt ?? []);
  const [error] = [...failures, ...results.flatMap((result) => result.error ?? [])];
  const [blocker] = [...failures, ...results.flatMap((result) => result.blocker ?? [])];
  return {
    outcomes: results.flatMap(({ outcomes }) => outcomes),
    status,
    error,
    blocker,
    // Of the first, which read them first: what has changed since is a change for the next poll.
    published: results[0]?.published ?? { reads: new Map(), code: undefined },
    isChanged: results.some(({ isChanged }) => isChanged),
    nextTryAt: times.sort((a, b) => a.getTime() - b.getTime())[0],
    left: results.flatMap(({ left }) => left),
  };
}

interface MergeInput {
  now: () => Date;
  proofSettings: readonly AgentConfig[];
  pace: ProofPace | undefined;
}

function mergeInputOf({ now }: Agent, instances: readonly Agent[]): MergeInput {
  return { now, proofSettings: instances.map(({ config }) => config), pace: instances[0]?.proofs?.pace };
}

/** Pure. Each file says in which HAProxy it is. Keys are in the order of the schema: equal must be equal bytes. */
function mergeStatuses(
  parts: readonly { name: string; status: HostStatus }[],
  { now, proofSettings, pace }: MergeInput,
): HostStatus | undefined {
  const [first] = parts;
  if (first === undefined) return undefined;
  const { version, fleet, host, agent, manifest, contract, trust } = first.status;
  const [lowest] = parts.map(({ status }) => status).sort((a, b) => sequenceIn(a) - sequenceIn(b));
  const removals = parts.flatMap(({ name, status }) =>
    (status.removals ?? []).map(({ file, ...rest }) => ({ file, instance: name, ...rest })),
  );
  const [error] = parts.flatMap(({ status }) => status.error ?? []);
  return {
    ...{ version, fleet, host, reportedAt: now().toISOString(), agent, manifest, contract },
    // What each of them has acted on.
    head: lowest?.head,
    trust,
    conditions: conditionsOfAll(parts),
    haproxy: parts.flatMap(({ name, status }) => status.haproxy.map((one) => ({ name, ...one }))),
    files: parts.flatMap(({ name, status }) =>
      status.files.map(({ file, ...rest }) => ({ file, instance: name, ...rest })),
    ),
    removals: removals.length > 0 ? removals : undefined,
    endedEntries: endedOfAll(parts),
    proofs: proofsOfAll(parts, proofSettings, pace),
    drift: driftOfAll(parts),
    error,
  };
}

/** The latest, whichever HAProxy they are of. */
function driftOfAll(parts: readonly { name: string; status: HostStatus }[]): HostStatus['drift'] {
  const all = parts.flatMap(({ name, status }) =>
    (status.drift ?? []).map(({ kind, file, ...rest }) => ({ kind, file, instance: name, ...rest })),
  );
  const latest = all.sort((a, b) => Number(a.at < b.at) - Number(a.at > b.at)).slice(0, MAX_DRIFTS);
  return latest.length > 0 ? latest : undefined;
}

/** Each PEM once. */
function endedOfAll(parts: readonly { status: HostStatus }[]): HostStatus['endedEntries'] {
  const all = parts.flatMap(({ status }) => status.endedEntries ?? []);
  const first = [...new Map(all.map((one) => [one.sha256, one])).values()].slice(0, MAX_ENDED_ENTRIES);
  return first.length > 0 ? first : undefined;
}

/** Once, though several have it. */
function conditionsOfAll(parts: readonly { status: HostStatus }[]): HostStatus['conditions'] {
  const all = parts.flatMap(({ status }) => status.conditions ?? []);
  const keyOf = ({ condition, message }: HostCondition) => (condition === DEAD_BIND ? message : condition);
  const first = new Map(all.toReversed().map((one) => [keyOf(one), one]));
  return first.size > 0 ? [...first.values()].toReversed() : undefined;
}

/** @returns 0 for a host that has acted on no root */
function sequenceIn({ head, fleet }: HostStatus): number {
  try {
    return head === undefined ? 0 : readHead(head, layout.root(fleet)).claims.sequence;
  } catch {
    return 0;
  }
}

async function reportTogether(agent: Agent, status: HostStatus): Promise<void> {
  const { stateDir } = agent.config;
  const stored = await readStateDirectory(stateDir, agent.config, agent.log);
  const state = await reportIfDue(agent, status, stored.status, stored.state);
  await saveState(stateDir, state, stored.state);
}

/** Finds HAProxy by its name, or by its socket if it is the only one. An instance whose pass failed has no entry. */
export function pidIn(
  { haproxy }: Pick<HostStatus, 'haproxy'>,
  { haproxy: { name, statsSocket } }: Pick<AgentConfig, 'haproxy'>,
): number | undefined {
  return haproxy.find((one) => (name === undefined ? one.socket === statsSocket : one.name === name))?.pid;
}
