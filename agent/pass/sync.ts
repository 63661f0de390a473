/**
 * One pass: poll → look → plan → (install → load → prove, each certificate for itself) → report.
 * One pass at a time on a host: the lock is on HAProxy's directory itself, so that two agents with different
 * settings cannot write to one HAProxy either (2.6 mixes up the certificates of two writers).
 */
import { withFileLock } from '#storage/file-lock.ts';
import type { Agent, PassOptions, PassResult, Scene } from '../agent.ts';
import { checkDirectory, viewDisk } from '../deploy/disk.ts';
import { sweepPrevious, sweepTemps, writtenDirectories } from '../deploy/install.ts';
import { retirePlaceholder } from '../deploy/placeholder.ts';
import { isUnseen } from '../deploy/without-socket.ts';
import type { Action, Outcome } from '../desired/action.ts';
import { stapleFileOf, tailsOf, wantedFiles } from '../desired/files.ts';
import { withOverlaps } from '../desired/overlap.ts';
import { crtListFileOf, viewCrtList } from '../haproxy/crt-list-file.ts';
import { type AgentState, recall, saveManifest, saveState } from '../state/state.ts';
import { carryOut } from './apply.ts';
import { syncInstances } from './instances.ts';
import { tellHindrance, tellNews, tellOutcome, tellOverlaps, tellResult } from './log-outcome.ts';
import { settle } from './name-order.ts';
import { clearTransaction, look } from './observe.ts';
import { plan } from './plan.ts';
import { ask, type News } from './poll.ts';
import { withEarlier, withIntents, withOutcomes, withoutFailures } from './records.ts';
import { reloadIfNeeded } from './reload.ts';
import { type Done, put, type Remembered, readOwnStatus, report, reportFailure, resultOf } from './report.ts';
import { stateOf } from './status.ts';

const LOCK_TIMEOUT_MS = 300_000;
/** HAProxy reloaded under us: look again. More often than this in one pass, the next poll goes on. */
const MAX_ROUNDS = 3;

export async function sync(agent: Agent, options: PassOptions = {}): Promise<PassResult> {
  if (agent.instances?.length)
    return syncInstances(agent, agent.instances, options.isDryRun === true, {
      sync: (one) => sync(one, options),
      ...{ readStatus: readOwnStatus, put },
    });
  const { certsDir } = agent.config.haproxy;
  if (options.isDryRun) return preview(agent, options);
  const begin = agent.now();
  try {
    await checkDirectory(certsDir);
    const result = await withFileLock(certsDir, LOCK_TIMEOUT_MS, () => pass(agent, options));
    tellResult(agent.log, result, agent.now().getTime() - begin.getTime());
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
  const memory = await recall(config.stateDir, config, log);
  const news = await ask(agent, memory.known);
  tellNews(log, news);
  if (news.known) await saveManifest(config.stateDir, news.known, memory.known);
  const done = await reconcile(agent, options, news, { state: memory.state, saved: memory.state });
  if (done.outcomes.some(isOnDisk)) await retirePlaceholder(agent);
  return report(agent, memory, news, done);
}

async function preview(agent: Agent, options: PassOptions): Promise<PassResult> {
  const memory = await recall(agent.config.stateDir, agent.config, agent.log);
  const news = await ask(agent, memory.known);
  const { scene, actions } = await decide(agent, options, news, memory.state);
  const outcomes = actions.map((action) => ({ action, progress: {} }));
  return resultOf(agent, memory, news, {
    state: memory.state,
    saved: memory.state,
    scene,
    outcomes,
    isComplete: true,
  });
}

async function reconcile(
  agent: Agent,
  options: PassOptions,
  news: News,
  { state: before, saved }: Remembered,
  round = 1,
): Promise<Done> {
  const { scene, actions } = await decide(agent, options, news, before);
  const intended = withIntents(before, actions);
  await saveState(agent.config.stateDir, intended, saved);
  const outcomes = await act(agent, options, actions, scene);
  const state = withOutcomes(intended, outcomes, agent.now());
  const pid = await pidAfter(agent, scene, outcomes);
  if (pid !== undefined && round < MAX_ROUNDS) {
    agent.log('haproxy.reloaded', { pid, before: scene.haproxy?.process.pid });
    const next = await reconcile(agent, options, news, { state, saved: intended }, round + 1);
    return { ...next, outcomes: withEarlier(outcomes, next.outcomes) };
  }
  const reloaded = round < MAX_ROUNDS ? await reloadIfNeeded(agent, state, scene, outcomes) : undefined;
  if (reloaded !== undefined && reloaded.failure === undefined) {
    const after = { state: { ...state, reload: reloaded }, saved: intended };
    const next = await reconcile(agent, options, news, after, round + 1);
    return { ...next, outcomes: withEarlier(outcomes, next.outcomes) };
  }
  const after = reloaded ? { ...state, reload: reloaded } : state;
  const decided = new Set(
    outcomes.flatMap((outcome) => (stateOf(outcome) === 'pending' ? [] : outcome.action)),
  );
  const undecided = scene.haproxy ? actions.filter((action) => !decided.has(action)) : [];
  await sweepPrevious(
    agent.config.haproxy.certsDir,
    new Set(undecided.flatMap(({ file }) => [file, stapleFileOf(file)])),
  );
  return { state: after, saved: intended, scene, outcomes, isComplete: outcomes.length === actions.length };
}

async function decide(
  agent: Agent,
  options: PassOptions,
  news: News,
  state: AgentState,
): Promise<{ scene: Scene; actions: Action[] }> {
  const { config } = agent;
  const records = options.ignoresBackOff ? withoutFailures(state.files) : state.files;
  const manifest = news.known?.manifest;
  const wanted = manifest ? withOverlaps(wantedFiles(config.fleet, manifest)) : [];
  const names = new Set([...wanted.map(({ file }) => file), ...Object.keys(records)]);
  const onDisk = [...names].flatMap((file) => [file, stapleFileOf(file)]);
  const crtListFile = crtListFileOf(config);
  const listed = crtListFile && (await viewCrtList(crtListFile, names));
  // While HAProxy answers, there is time to read.
  const [{ haproxy, hindrance }, disk] = await Promise.all([
    look(agent, tailsOf(names, wanted, listed)),
    viewDisk(config.haproxy.certsDir, onDisk, config.pem),
  ]);
  const handshakes = config.haproxy.handshake;
  const unseen = isUnseen(agent, hindrance, options);
  const seen = { wanted, disk, listed, haproxy, isUnseen: unseen };
  const actions = plan({ ...seen, records, handshakes, now: agent.now() });
  // Without any manifest nothing is known to be unwanted.
  const safe = manifest ? actions : [];
  return { scene: { ...agent, haproxy, hindrance, isUnseen: unseen, disk, crtListFile }, actions: safe };
}

async function act(
  agent: Agent,
  options: PassOptions,
  actions: readonly Action[],
  scene: Scene,
): Promise<Outcome[]> {
  tellHindrance(agent.log, scene.hindrance);
  scene.hindrance ??= await clearTransaction(agent, actions, scene.haproxy);
  const outcomes = await carryOut(actions, scene, options.signal);
  const open = outcomes.filter(({ action }) => action.isProvedLast);
  await settle(open, scene);
  for (const outcome of open) tellOutcome(agent.log, outcome);
  tellOverlaps(agent.log, open);
  return outcomes;
}

const isOnDisk = ({ action, progress }: Outcome) =>
  progress.isWritten || ['keep', 'prove', 'load', 'pending', 'needs-reload'].includes(action.kind);

/** @returns the new Pid if HAProxy has changed its worker while we worked on it */
async function pidAfter(agent: Agent, { haproxy }: Scene, outcomes: Outcome[]): Promise<number | undefined> {
  const hasWorked = outcomes.some(({ progress, error }) => progress.isWritten || progress.isLoaded || error);
  if (haproxy === undefined || !hasWorked) return undefined;
  const { pid } = await agent.runtime.showInfo().catch(() => haproxy.process);
  return pid === haproxy.process.pid ? undefined : pid;
}
