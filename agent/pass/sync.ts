/**
 * One pass: poll → look → plan → (install → load → prove, each certificate for itself) → report.
 * One pass at a time on a host: the lock is on HAProxy's directory itself, so that two agents with different
 * settings cannot write to one HAProxy either (2.6 mixes up the certificates of two writers).
 */
import { withFileLock } from '#storage/file-lock.ts';
import type { Agent, HostView, PassOptions, PassResult } from '../agent.ts';
import { type Action, type DesiredAction, doneOutcome, type Outcome } from '../deploy/action.ts';
import { checkDirectory, viewDisk } from '../deploy/disk.ts';
import { sweepPrevious, sweepTemps, writtenDirectories } from '../deploy/install.ts';
import { retirePlaceholder } from '../deploy/placeholder.ts';
import { worksWithoutSocket } from '../deploy/without-socket.ts';
import { desiredFiles, stapleFileOf, tailsOf } from '../desired/files.ts';
import { withOverlaps } from '../desired/overlap.ts';
import { crtListFileOf, viewCrtList } from '../haproxy/crt-list-file.ts';
import { type AgentState, readStateDirectory, saveManifest, saveState } from '../state/state.ts';
import { applyPlan } from './apply.ts';
import { syncInstances } from './instances.ts';
import { logBlocker, logOutcome, logOverlaps, logPoll, logResult } from './log-outcome.ts';
import { restoreNameOrder } from './name-order.ts';
import { clearTransaction, observeHaproxy } from './observe.ts';
import { plan } from './plan.ts';
import { type PollResult, pollOrKeep } from './poll.ts';
import { withEarlier, withIntents, withOutcomes, withoutFailures } from './records.ts';
import { reloadIfNeeded } from './reload.ts';
import {
  type PassWork,
  putStatus,
  type Remembered,
  readOwnStatus,
  report,
  reportFailure,
  resultOf,
} from './report.ts';
import { stateOf } from './status.ts';

const LOCK_TIMEOUT_MS = 300_000;
/** HAProxy reloaded under us: look again. More often than this in one pass, the next poll goes on. */
const MAX_ROUNDS = 3;

export async function sync(agent: Agent, options: PassOptions = {}): Promise<PassResult> {
  if (agent.instances?.length)
    return syncInstances(agent, agent.instances, options.isDryRun === true, {
      sync: (one) => sync(one, options),
      ...{ readStatus: readOwnStatus, put: putStatus },
    });
  const { certsDir } = agent.config.haproxy;
  if (options.isDryRun) return preview(agent, options);
  const begin = agent.now();
  try {
    await checkDirectory(certsDir);
    const result = await withFileLock(certsDir, LOCK_TIMEOUT_MS, () => pass(agent, options));
    logResult(agent.log, result, agent.now().getTime() - begin.getTime());
    return result;
  } catch (error) {
    await reportFailure(agent, error);
    throw error;
  }
}

async function pass(agent: Agent, options: PassOptions): Promise<PassResult> {
  const { config, log } = agent;
  const swept = await sweepTemps(writtenDirectories(config));
  if (swept > 0) log('temp.swept', { count: swept });
  const memory = await readStateDirectory(config.stateDir, config, log);
  const news = await pollOrKeep(agent, memory.manifest);
  logPoll(log, news);
  if (news.known) await saveManifest(config.stateDir, news.known, memory.manifest);
  const done = await reconcile(agent, options, news, { state: memory.state, saved: memory.state });
  if (done.outcomes.some(isOnDisk)) await retirePlaceholder(agent);
  return report(agent, memory, news, done);
}

async function preview(agent: Agent, options: PassOptions): Promise<PassResult> {
  const memory = await readStateDirectory(agent.config.stateDir, agent.config, agent.log);
  const news = await pollOrKeep(agent, memory.manifest);
  const { view, actions } = await decide(agent, options, news, memory.state);
  const outcomes = actions.map((action) => doneOutcome(action));
  return resultOf(agent, memory, news, {
    state: memory.state,
    saved: memory.state,
    view,
    outcomes,
    isComplete: true,
  });
}

async function reconcile(
  agent: Agent,
  options: PassOptions,
  news: PollResult,
  { state: before, saved }: Remembered,
  round = 1,
): Promise<PassWork> {
  const { view, actions } = await decide(agent, options, news, before);
  const intended = withIntents(before, actions);
  await saveState(agent.config.stateDir, intended, saved);
  const outcomes = await act(agent, options, actions, view);
  const state = withOutcomes(intended, outcomes, agent.now());
  const pid = await pidAfter(agent, view, outcomes);
  if (pid !== undefined && round < MAX_ROUNDS) {
    agent.log('haproxy.reloaded', { pid, before: view.haproxy?.process.pid });
    const next = await reconcile(agent, options, news, { state, saved: intended }, round + 1);
    return { ...next, outcomes: withEarlier(outcomes, next.outcomes) };
  }
  const reloaded = round < MAX_ROUNDS ? await reloadIfNeeded(agent, state, view, outcomes) : undefined;
  if (reloaded !== undefined && reloaded.failure === undefined) {
    const after = { state: { ...state, reload: reloaded }, saved: intended };
    const next = await reconcile(agent, options, news, after, round + 1);
    return { ...next, outcomes: withEarlier(outcomes, next.outcomes) };
  }
  const after = reloaded ? { ...state, reload: reloaded } : state;
  const decided = new Set(
    outcomes.flatMap((outcome) => (stateOf(outcome) === 'pending' ? [] : outcome.action)),
  );
  const undecided = view.haproxy ? actions.filter((action) => !decided.has(action)) : [];
  await sweepPrevious(
    agent.config.haproxy.certsDir,
    new Set(undecided.flatMap(({ file }) => [file, stapleFileOf(file)])),
  );
  return { state: after, saved: intended, view, outcomes, isComplete: outcomes.length === actions.length };
}

async function decide(
  agent: Agent,
  options: PassOptions,
  news: PollResult,
  state: AgentState,
): Promise<{ view: HostView; actions: Action[] }> {
  const { config } = agent;
  const records = options.ignoresBackOff ? withoutFailures(state.files) : state.files;
  const manifest = news.known?.manifest;
  const desired = manifest ? withOverlaps(desiredFiles(config.fleet, manifest)) : [];
  const names = new Set([...desired.map(({ file }) => file), ...Object.keys(records)]);
  const onDisk = [...names].flatMap((file) => [file, stapleFileOf(file)]);
  const crtListFile = crtListFileOf(config);
  const listed = crtListFile && (await viewCrtList(crtListFile, names));
  // While HAProxy answers, there is time to read.
  const [{ haproxy, blocker }, disk] = await Promise.all([
    observeHaproxy(agent, tailsOf(names, desired, listed)),
    viewDisk(config.haproxy.certsDir, onDisk, config.pem),
  ]);
  const handshakes = config.haproxy.handshake;
  const unseen = worksWithoutSocket(agent, blocker, options);
  const seen = { desired, disk, listed, haproxy, isWithoutSocket: unseen };
  const actions = plan({ ...seen, records, handshakes, now: agent.now() });
  // Without any manifest nothing is known to be unwanted.
  const safe = manifest ? actions : [];
  return { view: { ...agent, haproxy, blocker, isWithoutSocket: unseen, disk, crtListFile }, actions: safe };
}

async function act(
  agent: Agent,
  options: PassOptions,
  actions: readonly Action[],
  view: HostView,
): Promise<Outcome[]> {
  logBlocker(agent.log, view.blocker);
  view.blocker ??= await clearTransaction(agent, actions, view.haproxy);
  const outcomes = await applyPlan(actions, view, options.signal);
  const provedLast = await restoreNameOrder(outcomes.filter(isProvedLast), view);
  for (const outcome of provedLast) logOutcome(agent.log, outcome);
  logOverlaps(agent.log, provedLast);
  const ended = new Map<Action, Outcome>(provedLast.map((outcome) => [outcome.action, outcome]));
  return outcomes.map((outcome) => ended.get(outcome.action) ?? outcome);
}

const isProvedLast = (outcome: Outcome): outcome is Outcome<DesiredAction> =>
  outcome.action.isProvedLast === true;

const isOnDisk = ({ action, deployed }: Outcome) =>
  deployed.isWritten || ['keep', 'prove', 'load', 'pending', 'needs-reload'].includes(action.kind);

/** @returns the new Pid if HAProxy has changed its worker while we worked on it */
async function pidAfter(
  agent: Agent,
  { haproxy }: HostView,
  outcomes: Outcome[],
): Promise<number | undefined> {
  const hasWorked = outcomes.some(
    ({ kind, deployed }) => kind === 'failed' || deployed.isWritten || deployed.isLoaded,
  );
  if (haproxy === undefined || !hasWorked) return undefined;
  const { pid } = await agent.runtime.showInfo().catch(() => haproxy.process);
  return pid === haproxy.process.pid ? undefined : pid;
}
