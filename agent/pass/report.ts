/** The end of a pass: state and host status are written where they differ, and the host status goes to the bucket. */
import { type HostStatus, serializeHostStatus } from '#contract/host-status.ts';
import { layout } from '#contract/layout.ts';
import type { Agent, HostView, PassResult } from '../agent.ts';
import type { Outcome } from '../deploy/action.ts';
import { HostError, type HostErrorCode } from '../errors.ts';
import { type AgentState, readStatus, type StateDirectory, saveState, saveStatus } from '../state/state.ts';
import { errorFields } from './log-outcome.ts';
import type { PollResult } from './poll.ts';
import { reloadWish } from './reload.ts';
import { hostStatusOf, isWorthReporting, stateOf, statusDigest } from './status.ts';

export async function report(
  agent: Agent,
  memory: StateDirectory,
  news: PollResult,
  done: PassWork,
): Promise<PassResult> {
  const result = resultOf(agent, memory, news, done);
  const { status } = result;
  const { stateDir } = agent.config;
  if (!done.isComplete) {
    // Half a status would say that the other half of the certificates is gone.
    await saveState(stateDir, done.state, done.saved);
    return result;
  }
  const digest = statusDigest(status);
  const isChanged = memory.status === undefined || statusDigest(memory.status) !== digest;
  const isDue = isChanged || isWorthReporting(digest, done.state.reported, agent.now());
  if (isDue) await saveStatus(stateDir, status);
  const isReported = isDue && (await putStatus(agent, status));
  const reported = { digest, at: status.reportedAt };
  await saveState(stateDir, isReported ? { ...done.state, reported } : done.state, done.saved);
  return result;
}

export function resultOf(agent: Agent, memory: StateDirectory, news: PollResult, done: PassWork): PassResult {
  const { view, outcomes, state } = done;
  // Where handshakes and reloads do, the lack of a socket hinders nobody.
  const hostError = news.error ?? (view.isWithoutSocket ? undefined : view.blocker);
  const status = hostStatusOf({
    config: agent.config,
    agentVersion: agent.version,
    manifestEtag: news.known?.etag,
    haproxy: view.haproxy,
    disk: view.disk,
    records: state.files,
    error: hostError ?? reloadFailure(done),
    previous: memory.status,
    outcomes,
    now: agent.now(),
  });
  const isChanged = outcomes.some(({ action, deployed }) => {
    return deployed.isWritten || deployed.isListed || deployed.isLoaded || action.kind === 'remove';
  });
  return {
    ...{ outcomes, status, error: hostError },
    blocker: news.error ?? view.blocker,
    isChanged,
    nextTryAt: earliest(nextTry(state, outcomes, agent.now()), nextReload(agent, done)),
  };
}

/** Tells why HAProxy still waits for its reload. */
function reloadFailure({ state, outcomes }: PassWork): HostError | undefined {
  const failure = state.reload?.failure;
  if (failure === undefined || reloadWish(outcomes) === undefined) return undefined;
  return new HostError(failure.code as HostErrorCode, failure.message);
}

function nextReload({ config }: Agent, { state, outcomes }: PassWork): Date | undefined {
  const { reload } = config.haproxy;
  const { at, wish, failure } = state.reload ?? {};
  const isOpen =
    reloadWish(outcomes) !== undefined && (failure !== undefined || reloadWish(outcomes) !== wish);
  return reload && at && isOpen ? new Date(Date.parse(at) + reload.windowMs) : undefined;
}

function earliest(...times: (Date | undefined)[]): Date | undefined {
  return times.filter((time) => time !== undefined).sort((a, b) => a.getTime() - b.getTime())[0];
}

/** No pass could be made at all: the host says why, and what it knew before. */
export async function reportFailure(agent: Agent, error: unknown): Promise<void> {
  const { stateDir } = agent.config;
  const known = await readOwnStatus(agent);
  const status = hostStatusOf({
    ...{
      config: agent.config,
      agentVersion: agent.version,
      manifestEtag: known?.manifest,
      haproxy: undefined,
    },
    ...{ outcomes: [], disk: new Map(), records: {}, error, previous: known, now: agent.now() },
  });
  const failed = { ...status, files: known?.files ?? [] };
  if (known !== undefined && statusDigest(known) === statusDigest(failed)) return;
  await saveStatus(stateDir, failed).catch(() => undefined);
  await putStatus(agent, failed);
}

/** As the last pass left it, if it can be read. */
export async function readOwnStatus({ config }: Agent): Promise<HostStatus | undefined> {
  const status = await readStatus(config.stateDir, config.fleet, config.host).catch(() => undefined);
  return status === 'broken' ? undefined : status;
}

/** A report that fails is told and made up for by the next pass: it must not hide what was done. */
export async function putStatus(agent: Agent, status: HostStatus): Promise<boolean> {
  // One of several: they are reported together.
  if (agent.config.haproxy.name !== undefined && !agent.instances) return true;
  const key = layout.status(agent.config.fleet, agent.config.host);
  try {
    await (await agent.openBucket()).put(key, serializeHostStatus(status));
    agent.log('status.reported', { key });
    return true;
  } catch (error) {
    agent.log('status.failed', { key, ...errorFields(error) });
    return false;
  }
}

function nextTry({ files }: AgentState, outcomes: readonly Outcome[], now: Date): Date | undefined {
  const isWaiting = (outcome: Outcome) =>
    outcome.kind === 'failed' && outcome.action.kind !== 'pending' && stateOf(outcome) === 'pending';
  if (outcomes.some(isWaiting)) return now;
  const times = Object.values(files).flatMap(({ failure }) =>
    failure ? [Date.parse(failure.notBefore)] : [],
  );
  return times.length === 0 ? undefined : new Date(Math.min(...times));
}

export interface Remembered {
  state: AgentState;
  /** As the state directory has it. */
  saved: AgentState;
}

export interface PassWork extends Remembered {
  view: HostView;
  outcomes: Outcome[];
  /** `false`: told to stop before the last certificate. */
  isComplete: boolean;
}
