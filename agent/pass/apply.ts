/**
 * Applies the plan. Some certificates at a time are fetched and installed together, so that their fetches and fsyncs
 * overlap and a crt-list file is written once for all of them; then HAProxy gets them one by one, and the handshakes
 * that prove them are made a few at once.
 */
import { join } from 'node:path';
import type { HostView } from '../agent.ts';
import {
  type Action,
  type Deployed,
  type DeployingAction,
  type DoneOutcome,
  doneOutcome,
  type FailedOutcome,
  failedOutcome,
  isDeploying,
  type Outcome,
  type RemovingAction,
} from '../deploy/action.ts';
import { loadCertificate, proveCertificate } from '../deploy/deploy.ts';
import { fetchAndInstall, type InstalledFile } from '../deploy/fetch.ts';
import { notOurs } from '../deploy/foreign-file.ts';
import { Remover } from '../deploy/remove.ts';
import { endDeployment } from '../deploy/restore.ts';
import type { RuntimeCommandFailed } from '../errors.ts';
import { type LineChange, withLineError, writeLines, writeLinesAfterLoad } from './crt-list-lines.ts';
import { logOutcome } from './log-outcome.ts';
import { type Pace, pacer } from './pace.ts';

/** So many keys are in memory at once, and so many files wait for HAProxy's answer. */
const AT_A_TIME = 20;
/** Visitors wait behind handshakes that are made at once: behind 20, twice as long as without (p99; docs/bench.md). */
const PROVED_AT_ONCE = 3;

/** @returns outcomes in the order of the plan; fewer after `signal`: the certificates in hand or being installed are finished */
export async function applyPlan(
  actions: readonly Action[],
  view: HostView,
  signal?: AbortSignal,
): Promise<Outcome[]> {
  // Deploys before it removes: a name may move from one certificate to another.
  const outcomes = [
    ...(await deployAll(actions.filter(isDeploying), view, signal)),
    ...(await removeAll(actions.filter(isRemoving), view, signal)),
    ...(await leaveAll(actions.filter(isIdle), view, signal)),
  ];
  const ended = new Map(outcomes.map((outcome) => [outcome.action, outcome]));
  return actions.flatMap((action) => ended.get(action) ?? []);
}

const isRemoving = (action: Action): action is RemovingAction => action.kind === 'remove';
const isIdle = (action: Action) => !isDeploying(action) && !isRemoving(action);

async function deployAll(
  actions: readonly DeployingAction[],
  view: HostView,
  signal: AbortSignal | undefined,
): Promise<Outcome[]> {
  const pace = pacer(view);
  const outcomes: Outcome[] = [];
  const installOne = (action: DeployingAction): Promise<Step<InstalledFile>> =>
    fetchAndInstall(action, view).catch((error: unknown) => failedOutcome(action, error));
  const installFrom = (from: number) => {
    if (signal?.aborted || from >= actions.length) return undefined;
    return Promise.all(actions.slice(from, from + AT_A_TIME).map(installOne));
  };
  let installing = installFrom(0);
  for (let next = AT_A_TIME; installing !== undefined; next += AT_A_TIME) {
    const installed = await installing;
    // While HAProxy works on some, the next ones are installed.
    installing = installFrom(next);
    const ended = await loadSome(installed, view, pace);
    logEnded(ended, view);
    outcomes.push(...ended);
  }
  return outcomes;
}

/** Out of HAProxy first, then off its crt-list, then the file: HAProxy does not start if a line names a missing file. */
async function removeAll(
  actions: readonly RemovingAction[],
  view: HostView,
  signal: AbortSignal | undefined,
): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  const remover = new Remover(view, actions);
  for (let from = 0; from < actions.length && !signal?.aborted; from += AT_A_TIME) {
    const removals = actions.slice(from, from + AT_A_TIME).map((action) => doneOutcome(action));
    const held = new Map<RemovingAction, RuntimeCommandFailed>();
    const unloaded = await attemptEach(removals, async ({ action, deployed }) => {
      const error = await remover.unload(action);
      if (error !== undefined) held.set(action, error);
      return deployed;
    });
    const removed = await attemptEach(await unlist(unloaded, view), async ({ action, deployed }) => {
      await remover.remove(action);
      return { ...deployed, isRemoved: true };
    });
    const ended = removed.map((one) => {
      const error = one.kind === 'done' ? held.get(one.action) : undefined;
      return error === undefined ? one : failedOutcome(one.action, error, one.deployed);
    });
    logEnded(ended, view);
    outcomes.push(...ended);
  }
  return outcomes;
}

/** Changes nothing; what waits for HAProxy gets the reason. */
async function leaveAll(
  actions: readonly Action[],
  view: HostView,
  signal: AbortSignal | undefined,
): Promise<Outcome[]> {
  if (signal?.aborted) return [];
  const outcomes: Outcome[] = [];
  for (const action of actions) {
    const error = await reasonToLeave(action, view);
    outcomes.push(error === undefined ? doneOutcome(action) : failedOutcome(action, error));
  }
  logEnded(outcomes, view);
  return outcomes;
}

async function reasonToLeave({ kind, file }: Action, view: HostView): Promise<Error | undefined> {
  if (kind === 'pending') return view.blocker;
  if (kind !== 'not-ours') return undefined;
  return notOurs(join(view.config.haproxy.certsDir, file), view.ownership.otherOwnerOf(file));
}

type Removal = DoneOutcome<RemovingAction>;
/** A file between two steps, or its failure. */
type Step<T> = T | FailedOutcome;

async function loadSome(
  installed: readonly Step<InstalledFile>[],
  view: HostView,
  pace: Pace,
): Promise<Outcome[]> {
  // In the order of the plan, from which name-order.ts derives which file HAProxy has in front of its namesakes.
  const changes = await writeLines(actionsIn(installed), view);
  const loaded = await attemptEach(listInstalled(installed, changes), async (file) => {
    await pace(file.action);
    return loadCertificate(file, view);
  });
  const listed = await listLoaded(loaded, changes, view);
  const ended = new Map(listed.map((one) => [one, one]));
  const toProve = listed.filter((one) => one.kind !== 'failed');
  const prove = async (one: Step<InstalledFile>) =>
    ended.set(one, await attempt(one, (file) => proveCertificate(file, view)));
  for (let from = 0; from < toProve.length; from += PROVED_AT_ONCE) {
    await Promise.all(toProve.slice(from, from + PROVED_AT_ONCE).map(prove));
  }
  const outcomes: Outcome[] = [];
  // One after the other: it may load the previous certificate again.
  for (const [file, proved] of ended) {
    const outcome = file.kind === 'failed' ? file : await endDeployment(file, proved, view);
    outcomes.push(withLineErrors(outcome, changes));
  }
  return outcomes;
}

/** What is wrong with its crt-list line fails a certificate that is deployed, and is a note of another failure. */
function withLineErrors(outcome: Outcome, changes: ReadonlyMap<string, LineChange>): Outcome {
  const { action, deployed } = outcome;
  if (outcome.kind === 'failed') {
    return { ...outcome, error: withLineError(outcome.error, changes.get(action.file)) };
  }
  return deployed.lineError === undefined ? outcome : failedOutcome(action, deployed.lineError, deployed);
}

const actionsIn = <T extends InstalledFile | Removal>(some: readonly Step<T>[]): Action[] =>
  some.flatMap((one) => (one.kind === 'failed' ? [] : [one.action]));

/** Writes their lines first: HAProxy could be restarted in between. */
function listInstalled(
  installed: readonly Step<InstalledFile>[],
  changes: ReadonlyMap<string, LineChange>,
): Step<InstalledFile>[] {
  return installed.map((one) => {
    if (one.kind === 'failed') return one;
    const change = changes.get(one.action.file);
    if (change?.state === 'written') return { ...one, deployed: { ...one.deployed, isListed: true } };
    if (change?.state !== 'kept') return one;
    if (change.before.length === 0) return failedOutcome(one.action, change.error, one.deployed);
    return { ...one, deployed: { ...one.deployed, lineError: change.error } };
  });
}

/** HAProxy has accepted what waited for it, or not. */
async function listLoaded(
  loaded: readonly Step<InstalledFile>[],
  changes: ReadonlyMap<string, LineChange>,
  { crtListFile }: HostView,
): Promise<Step<InstalledFile>[]> {
  const results = loaded.flatMap((one) =>
    one.kind === 'failed' ? [] : [{ file: one.action.file, lineError: one.deployed.lineError }],
  );
  try {
    const written = await writeLinesAfterLoad(changes, results, crtListFile);
    return loaded.map((one) => {
      if (one.kind === 'failed' || !written.has(one.action.file)) return one;
      return { ...one, deployed: { ...one.deployed, isListed: one.deployed.lineError === undefined } };
    });
  } catch (error) {
    return loaded.map((one) =>
      one.kind === 'failed' ? one : failedOutcome(one.action, error, one.deployed),
    );
  }
}

/** Off the crt-list: their lines name files that are about to go. */
async function unlist(removals: readonly Step<Removal>[], view: HostView): Promise<Step<Removal>[]> {
  const changes = await writeLines(actionsIn(removals), view);
  return removals.map((one) => {
    const error = changes.get(one.action.file)?.error;
    return one.kind === 'failed' || error === undefined
      ? one
      : failedOutcome(one.action, error, one.deployed);
  });
}

/** One after the other. */
async function attemptEach<T extends InstalledFile | Removal>(
  some: readonly Step<T>[],
  work: (one: T) => Promise<Deployed>,
): Promise<Step<T>[]> {
  const attempted: Step<T>[] = [];
  for (const one of some) attempted.push(await attempt(one, work));
  return attempted;
}

/** A certificate's failure is caught here and nowhere else: it never stops another. */
async function attempt<T extends InstalledFile | Removal>(
  one: Step<T>,
  work: (one: T) => Promise<Deployed>,
): Promise<Step<T>> {
  if (isFailed(one)) return one;
  try {
    return { ...one, deployed: await work(one) };
  } catch (error) {
    return failedOutcome(one.action, error, one.deployed);
  }
}

function isFailed<T extends InstalledFile | Removal>(one: Step<T>): one is FailedOutcome {
  return one.kind === 'failed';
}

/** Files that are proved last are logged then. */
function logEnded(outcomes: readonly Outcome[], { log }: HostView): void {
  for (const outcome of outcomes) if (!outcome.action.isProvedLast) logOutcome(log, outcome);
}
