/**
 * STORYBOARD of a pass over one HAProxy: poll → observe → plan → apply (install → load → prove) → report.
 * One pass at a time on a host: the lock is in HAProxy's directory, so that two agents with different
 * settings cannot write to one HAProxy either (2.6 mixes up the certificates of two writers).
 */
import { MINUTE_MS } from '#common/time.ts';
import type { Agent, HostView, PassOptions, PassResult } from '../agent.ts';
import { ownershipPlace, stateDirectories, trustPlaces } from '../config/config.ts';
import { type Action, type DesiredAction, doneOutcome, type Outcome } from '../deploy/action.ts';
import { checkDirectory, writableAmong } from '../deploy/disk.ts';
import { restoreMoved, sweepPrevious, sweepTemps, writtenDirectories } from '../deploy/install.ts';
import { retirePlaceholder } from '../deploy/placeholder.ts';
import { hasProof, noteProofs } from '../deploy/prove.ts';
import { stapleFileOf } from '../desired/files.ts';
import { findDrift, logDrift, withDrift, withLeft } from '../drift/drift.ts';
import { readProofs, saveProofs } from '../proof/document.ts';
import { withCappedSequences } from '../removal/after-recovery.ts';
import { dropOldCopies } from '../removal/old-copies.ts';
import { withDirectoryLock } from '../state/directory-lock.ts';
import { retryUnsaved, stateProblemIn } from '../state/documents.ts';
import { mergeEnded } from '../state/ended.ts';
import { type Ownership, readOwnership } from '../state/ownership.ts';
import { type AgentState, readStateDirectory, saveManifest, saveState } from '../state/state.ts';
import { saveTrust } from '../state/trust.ts';
import type { TrustRecord } from '../trust/record.ts';
import { type KnownWire, knownWiresOf, WireExaminer } from '../wire/examiner.ts';
import { dropAdopted } from './adopt.ts';
import { applyPlan } from './apply.ts';
import { decideActions } from './decide.ts';
import { stateOf } from './host-status.ts';
import { logBlocker, logOutcome, logOverlaps, logPoll, logResult, logTwoIssuers } from './log-outcome.ts';
import { restoreNameOrder } from './name-order.ts';
import { checkVersion, clearTransaction } from './observe.ts';
import { type PollResult, pollOrKeep, readKnown } from './poll.ts';
import { withEarlier, withIntents, withOutcomes } from './records.ts';
import { reloadIfNeeded } from './reload.ts';
import { type PassWork, report, reportFailure, resultOf } from './report.ts';

const LOCK_TIMEOUT_MS = 5 * MINUTE_MS;
/** Reloads of HAProxy, by others or by us, after which a pass looks again; after more of them, the next pass goes on. */
const MAX_RELOADS = 2;

export async function sync(agent: Agent, options: PassOptions = {}): Promise<PassResult> {
  if (options.isDryRun) {
    await checkVersion(agent);
    return preview(agent, options);
  }
  const { certsDir } = agent.config.haproxy;
  const begin = agent.now();
  try {
    await checkDirectory(certsDir);
    await checkVersion(agent);
    const lock = { timeoutMs: LOCK_TIMEOUT_MS, log: agent.log };
    const result = await withDirectoryLock(certsDir, lock, () => runPass(agent, options));
    logResult(agent.log, result, agent.now().getTime() - begin.getTime());
    return result;
  } catch (error) {
    await reportFailure(agent, error);
    throw error;
  }
}

async function preview(agent: Agent, options: PassOptions): Promise<PassResult> {
  const { config, log } = agent;
  const stored = await readStateDirectory(config.stateDir, config, log);
  const ownership = await readOwnership(ownershipPlace(config), log);
  const polled = await pollOrKeep(agent, await readKnown(agent, stored, ownership));
  const { manifest, trust } = polled;
  const state = withCappedSequences(ownership.recordsWith(stored.state), manifest?.manifest, trust);
  const decided = await decideActions(
    await withProofs(agent, stored.state),
    options,
    polled.manifest?.manifest,
    { state, ownership },
  );
  const { view, actions } = decided;
  const outcomes = actions.map((action) => doneOutcome(action));
  return resultOf(agent, stored, polled, { state, saved: state, view, outcomes, isComplete: true });
}

/** A single pass has them from the last one. */
async function withProofs(agent: Agent, state: AgentState): Promise<Agent> {
  const { config, log, proofs } = agent;
  return { ...agent, proofs: proofs ?? (await readProofs(config.stateDir, log, state.files)) };
}

async function runPass(agent: Agent, options: PassOptions): Promise<PassResult> {
  const { config, log } = agent;
  await sweep(agent);
  for (const directory of stateDirectories(config)) await retryUnsaved(directory);
  const ownership = await readOwnership(ownershipPlace(config), log);
  const stored = await readStateDirectory(config.stateDir, config, log);
  const known = await readKnown(agent, stored, ownership);
  const polled = await pollOrKeep(agent, known);
  logPoll(log, polled, stored.status);
  // Before the manifest: what was taken once is the lowest that is taken again, also after a kill.
  const { blank } = known;
  if (polled.trust && !blank) await keepTrust(agent, polled.trust, known.saved);
  ownership.keepTrust(polled.trust);
  if (polled.manifest && !blank) await saveManifest(config.stateDir, polled.manifest, stored.manifest);
  const { manifest, trust } = polled;
  const state = withCappedSequences(
    withRemembered(agent, ownership, stored.state),
    manifest?.manifest,
    trust,
  );
  await restoreMoved(config.haproxy.certsDir, state.files);
  const proving = await withProofs(agent, stored.state);
  const work = await reconcile(proving, options, polled, {
    state,
    saved: stored.state,
    ownership,
    blank,
    knownWires: knownWiresOf(stored.status),
  });
  if (work.outcomes.some(isOnDisk)) await retirePlaceholder(agent);
  if (manifest && !blank) await dropOldCopies(work.view, manifest.manifest, work.state.files, agent.memory);
  if (agent.proofs === undefined) await saveProofs(config.stateDir, work.view.proofs);
  const left = await withLeft(work.state, work, stateOf);
  return report(agent, stored, polled, { ...work, state: left });
}

async function sweep({ config, log, now }: Agent): Promise<void> {
  const { locked, unlocked } = writtenDirectories(config);
  const aMinuteAgo = new Date(now().getTime() - MINUTE_MS);
  const count =
    (await sweepTemps(await writableAmong(locked))) +
    (await sweepTemps(await writableAmong(unlocked), aMinuteAgo));
  if (count > 0) log('temp.swept', { count });
}

/** What it was told lasts as long as the process, whatever becomes of its files. */
async function keepTrust({ config, memory }: Agent, trust: TrustRecord, saved: TrustRecord | undefined) {
  const places = trustPlaces(config);
  memory.trust.set(places.stateDir, trust);
  await saveTrust(places, trust, saved);
}

function withRemembered({ config, memory }: Agent, ownership: Ownership, stored: AgentState): AgentState {
  const state = ownership.recordsWith(stored);
  const ended = mergeEnded(state.ended, memory.ended.get(config.stateDir));
  return ended === state.ended ? state : { ...state, ...(ended && { ended }) };
}

/**
 * Applies the plan; where HAProxy has a new worker afterwards, a fetched certificate has names that nobody ordered, or what was to be
 * served before another goes has been proved, it looks again and applies what is left.
 */
async function reconcile(
  agent: Agent,
  options: PassOptions,
  polled: PollResult,
  before: Records,
): Promise<PassWork> {
  const earlier: Outcome[][] = [];
  let work = await applyOnce(agent, options, polled, before);
  while (earlier.length < MAX_RELOADS) {
    const { state, isReloaded } = await followReload(agent, work);
    work = { ...work, state };
    const hasOtherNames = work.outcomes.some(({ deployed }) => deployed.hasOtherNames);
    if (!isReloaded && !hasOtherNames && !hasNewSuccessor(work)) break;
    earlier.push(work.outcomes);
    work = await applyOnce(agent, options, polled, { ...before, ...work });
  }
  const files = [before, work].flatMap(({ state }) => [...state.files.keys()]);
  const ours = new Set(files.flatMap((file) => [file, stapleFileOf(file)]));
  await sweepPrevious(agent.config.haproxy.certsDir, ours, work.undecided);
  const outcomes = earlier.reduceRight((later, ended) => withEarlier(ended, later), work.outcomes);
  return { ...work, outcomes };
}

/** A certificate is proved for the first time, and another one waits for such a proof to go. */
function hasNewSuccessor({ outcomes, hasNewProof }: AppliedPlan): boolean {
  return hasNewProof && outcomes.some(({ action }) => action.desired?.isEnding);
}

/** The records of our files, in both of their places. */
interface Records extends Pick<PassWork, 'state' | 'saved' | 'blank'> {
  ownership: Ownership;
  knownWires: ReadonlyMap<string, KnownWire>;
}

interface AppliedPlan extends PassWork {
  /** Files whose loading is not decided: what was there before them stays beside them. */
  undecided: ReadonlySet<string>;
  /** A file has its first proof. */
  hasNewProof: boolean;
}

async function applyOnce(
  agent: Agent,
  options: PassOptions,
  polled: PollResult,
  { state, saved, ownership, knownWires, blank }: Records,
): Promise<AppliedPlan> {
  const decided = await decideActions(agent, options, polled.manifest?.manifest, { state, ownership });
  const { view: seen } = decided;
  const actions = blank ? decided.actions.filter(({ kind }) => kind !== 'remove') : decided.actions;
  const drifts = await findDrift(decided);
  const intended = withIntents(withDrift(decided.state, drifts, agent.now()), actions);
  agent.memory.ended.set(agent.config.stateDir, intended.ended ?? {});
  const isOwned = !blank && (await ownership.save(intended));
  const isSaved = !blank && (await saveState(agent.config.stateDir, intended, saved));
  logBlocker(agent.log, seen.blocker);
  logTwoIssuers(agent.log, actions, seen.haproxy);
  const unrecorded =
    isOwned || isSaved ? undefined : (blank ?? stateProblemIn(stateDirectories(agent.config)));
  const wires = examinerOf(seen, knownWires);
  const view = { ...(await clearTransaction(seen, actions)), unrecorded, wires };
  const outcomes = await proveLast(await applyPlan(actions, view, options.signal), view);
  const hasNewProof = noteProofs(outcomes, view);
  logDrift(agent.log, drifts, outcomes, stateOf);
  const after = withOutcomes(intended, outcomes, agent.now(), {
    pid: view.haproxy?.process.pid,
    isProved: (outcome) => hasProof(outcome, view),
  });
  await dropAdopted(agent, intended, after);
  const ended = new Set(
    outcomes.filter((outcome) => stateOf(outcome) !== 'pending').map(({ action }) => action),
  );
  const undecided = actions.filter((action) => !ended.has(action));
  return {
    state: after,
    saved: intended,
    blank,
    view,
    outcomes,
    isComplete: outcomes.length === actions.length,
    hasNewProof,
    undecided: new Set(undecided.flatMap(({ file }) => [file, stapleFileOf(file)])),
  };
}

function examinerOf(
  { runtime, haproxy, config, proofs, now }: HostView,
  known: Records['knownWires'],
): WireExaminer {
  const { certsDir } = config.haproxy;
  const isDistrusted = (file: string) => proofs.isDistrusted(file);
  return new WireExaminer({ runtime, haproxy, certsDir, known, isDistrusted, now });
}

/** Certificates that share names with others: HAProxy hands out the right one of them only when all are loaded. */
async function proveLast(outcomes: readonly Outcome[], view: HostView): Promise<Outcome[]> {
  const proved = await restoreNameOrder(outcomes.filter(isProvedLast), view);
  for (const outcome of proved) logOutcome(view.log, outcome);
  logOverlaps(view.log, proved);
  const byAction = new Map<Action, Outcome>(proved.map((outcome) => [outcome.action, outcome]));
  return outcomes.map((outcome) => byAction.get(outcome.action) ?? outcome);
}

const isProvedLast = (outcome: Outcome): outcome is Outcome<DesiredAction> =>
  outcome.action.isProvedLast === true;

const isOnDisk = ({ action, deployed }: Outcome) =>
  deployed.isWritten || ['keep', 'prove', 'load', 'pending', 'needs-reload'].includes(action.kind);

/** Reloads HAProxy where only a reload helps, unless another program has done so while the pass worked on it. */
async function followReload(
  agent: Agent,
  { state, view, outcomes }: PassWork,
): Promise<{ state: AgentState; isReloaded: boolean }> {
  const pid = await newPid(view, outcomes);
  if (pid !== undefined) {
    agent.log('haproxy.reloaded', { pid, before: view.haproxy?.process.pid });
    return { state, isReloaded: true };
  }
  const reload = await reloadIfNeeded(agent, state, view, outcomes);
  if (reload === undefined) return { state, isReloaded: false };
  return { state: { ...state, reload }, isReloaded: reload.failure === undefined };
}

/** @returns the new Pid if HAProxy has changed its worker while the pass worked on it */
async function newPid(
  { runtime, haproxy }: HostView,
  outcomes: readonly Outcome[],
): Promise<number | undefined> {
  const hasWorked = outcomes.some(
    ({ kind, deployed }) => kind === 'failed' || deployed.isWritten || deployed.isLoaded,
  );
  if (haproxy === undefined || !hasWorked) return undefined;
  const { pid } = await runtime.showInfo().catch(() => haproxy.process);
  return pid === haproxy.process.pid ? undefined : pid;
}
