/** The end of a pass: state and host status are written where they differ, and the host status goes to the bucket. */
import { HOUR_MS } from '#common/time.ts';
import { BucketError } from '#contract/errors.ts';
import { type HostStatus, serializeReport } from '#contract/host-status.ts';
import { layout } from '#contract/layout.ts';
import type { Agent, HostView, PassResult } from '../agent.ts';
import { asBlocker } from '../blocker.ts';
import { stateDirectories } from '../config/config.ts';
import type { Outcome } from '../deploy/action.ts';
import { stapleCondition } from '../deploy/staple.ts';
import { driftStatus } from '../drift/ledger.ts';
import { HostError } from '../errors.ts';
import { deadBindConditions } from '../proof/status.ts';
import type { HostErrorCode } from '../reactions.ts';
import { endedCondition, olderCondition } from '../removal/older.ts';
import { stateProblemIn } from '../state/documents.ts';
import { type AgentState, type StateDirectory, saveState } from '../state/state.ts';
import { readStatus, saveStatus } from '../state/status.ts';
import { conditionMessage } from '../trust/conditions.ts';
import { reportedTrust } from '../trust/record.ts';
import { hostStatusOf, stateOf, statusDigest } from './host-status.ts';
import { errorFields, logConditions, logDeadBinds } from './log-outcome.ts';
import type { PollResult } from './poll.ts';
import { isBackingOff } from './records.ts';
import { reloadDigest } from './reload.ts';

/** What a pass has done until now. */
export interface PassWork {
  state: AgentState;
  /** `state` as the state directory has it. */
  saved: AgentState;
  /** Why nothing may be installed, removed or saved: what the host knew cannot be read. */
  blank?: HostError | undefined;
  view: HostView;
  outcomes: Outcome[];
  /** `false`: a signal stopped the pass before the last certificate. */
  isComplete: boolean;
}

export async function report(
  agent: Agent,
  stored: StateDirectory,
  polled: PollResult,
  work: PassWork,
): Promise<PassResult> {
  const result = resultOf(agent, stored, polled, work);
  logConditions(agent.log, entryConditions(work.view), stored.status);
  logDeadBinds(agent.log, work.view.proofs, stored.status);
  // Half a status would say that the other half of the certificates is gone.
  const state = work.isComplete
    ? await reportIfDue(agent, result.status, stored.status, work.state)
    : work.state;
  if (work.blank === undefined) {
    await work.view.ownership.save(state);
    await saveState(agent.config.stateDir, state, work.saved);
  }
  const problem = recordsProblem(agent, work);
  if (problem !== undefined) agent.log('state.failed', errorFields(problem));
  return result;
}

/**
 * Saves the host status and puts it into the bucket, if it has changed or the last report is an hour old.
 * @returns the state, with the report if the bucket has taken it
 */
export async function reportIfDue(
  agent: Agent,
  status: HostStatus,
  previous: HostStatus | undefined,
  state: AgentState,
): Promise<AgentState> {
  const digest = statusDigest(status);
  const isChanged = previous === undefined || statusDigest(previous) !== digest;
  if (!isChanged && !isWorthReporting(digest, state.reported, agent.now())) return state;
  await saveStatus(agent.config.stateDir, status);
  const isReported = await putStatus(agent, status);
  return isReported ? { ...state, reported: { digest, at: status.reportedAt } } : state;
}

export function resultOf(
  agent: Agent,
  stored: StateDirectory,
  polled: PollResult,
  work: PassWork,
): PassResult {
  const { view, outcomes, state } = work;
  // Where handshakes and reloads do, the lack of a socket blocks nothing.
  const error = polled.error ?? (view.isWithoutSocket ? undefined : view.blocker);
  const status = hostStatusOf({
    config: agent.config,
    agentVersion: agent.version,
    taken: takenBy(polled),
    conditions: [
      ...[...polled.conditions, ...entryConditions(view), ...stapleCondition(outcomes)].map((one) => ({
        condition: one.condition,
        message: conditionMessage(one),
      })),
      ...deadBindConditions(view.proofs),
    ],
    endedEntries: view.endedEntries,
    proofs: view.proofs,
    haproxy: view.haproxy,
    disk: view.disk,
    records: state.files,
    drift: driftStatus(state.drift),
    error: error ?? reloadFailure(work) ?? recordsProblem(agent, work),
    previous: stored.status,
    outcomes,
    now: agent.now(),
  });
  const isChanged = outcomes.some(({ action, deployed }) => {
    return deployed.isWritten || deployed.isListed || deployed.isLoaded || action.kind === 'remove';
  });
  return {
    outcomes,
    status,
    error,
    blocker: polled.error ?? view.blocker,
    published: { reads: polled.reads, code: standingCode(polled) },
    isChanged,
    nextTryAt: earliest(nextTry(state, outcomes, agent.now()), nextReload(agent, work)),
    left: [{ view, outcomes }],
  };
}

/** Why the records of this host are not where they are to be. */
function recordsProblem({ config }: Agent, { blank, view }: PassWork): HostError | undefined {
  return blank ?? stateProblemIn(stateDirectories(config)) ?? view.ownership.unreadable;
}

/** Of the manifest, what this host does not take. */
const entryConditions = ({ olderEntries, endedEntries }: HostView) => [
  ...olderCondition(olderEntries),
  ...endedCondition(endedEntries),
];

function takenBy({ manifest, trust }: PollResult): Pick<HostStatus, 'manifest' | 'head' | 'trust'> {
  const { etag, head } = manifest ?? {};
  return { manifest: etag, head, trust: trust && reportedTrust(trust) };
}

/** A store that failed may answer the next time, and then something has changed. */
function standingCode({ error }: PollResult): string | undefined {
  return error instanceof BucketError ? undefined : error?.code;
}

/** Says why HAProxy still waits for its reload. */
function reloadFailure({ state, outcomes }: PassWork): HostError | undefined {
  const failure = state.reload?.failure;
  if (failure === undefined || reloadDigest(outcomes) === undefined) return undefined;
  return new HostError(failure.code as HostErrorCode, failure.message);
}

function nextReload({ config }: Agent, { state, outcomes }: PassWork): Date | undefined {
  const { reload } = config.haproxy;
  const { at, wish: lastDigest, failure } = state.reload ?? {};
  const filesDigest = reloadDigest(outcomes);
  const isOpen = filesDigest !== undefined && (failure !== undefined || filesDigest !== lastDigest);
  return reload && at && isOpen ? new Date(Date.parse(at) + reload.windowMs) : undefined;
}

function earliest(...times: (Date | undefined)[]): Date | undefined {
  return times.filter((time) => time !== undefined).sort((a, b) => a.getTime() - b.getTime())[0];
}

/** The pass could not be made: the host reports why, and the files of the last report. */
export async function reportFailure(agent: Agent, error: unknown): Promise<void> {
  const { stateDir } = agent.config;
  const previous = await readOwnStatus(agent);
  const status = hostStatusOf({
    config: agent.config,
    agentVersion: agent.version,
    taken: { manifest: previous?.manifest, head: previous?.head, trust: previous?.trust },
    conditions: previous?.conditions ?? [],
    endedEntries: previous?.endedEntries,
    haproxy: undefined,
    outcomes: [],
    disk: new Map(),
    records: new Map(),
    drift: previous?.drift,
    error: asBlocker(error),
    previous,
    now: agent.now(),
  });
  const failed = { ...status, files: previous?.files ?? [] };
  if (previous !== undefined && statusDigest(previous) === statusDigest(failed)) return;
  await saveStatus(stateDir, failed);
  await putStatus(agent, failed);
}

/** The status of the last pass, if it can be read. */
export async function readOwnStatus({ config }: Agent): Promise<HostStatus | undefined> {
  const status = await readStatus(config.stateDir, config).catch(() => undefined);
  return status === 'broken' ? undefined : status;
}

/** A report that fails is logged, and the next pass makes up for it: it must not hide what was done. */
export async function putStatus(agent: Agent, status: HostStatus): Promise<boolean> {
  // One of several HAProxy is reported together with the others.
  if (agent.config.haproxy.name !== undefined && !agent.instances) return true;
  const key = layout.status(agent.config.fleet, agent.config.host);
  try {
    await (await agent.openBucket()).put(key, serializeReport(status));
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
  const times = [...files.values()].flatMap(({ failure }) => {
    if (failure === undefined) return [];
    return [isBackingOff(failure, now) ? Date.parse(failure.notBefore) : now.getTime()];
  });
  return times.length === 0 ? undefined : new Date(Math.min(...times));
}

const HEARTBEAT_MS = HOUR_MS;

/** @param current digest of the status */
function isWorthReporting(current: string, reported: AgentState['reported'], now: Date): boolean {
  if (reported?.digest !== current) return true;
  const agoMs = now.getTime() - Date.parse(reported.at);
  // A report of the future was made while the clock was ahead.
  return agoMs < 0 || agoMs >= HEARTBEAT_MS;
}
