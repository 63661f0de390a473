/**
 * The plan, carried out: some certificates at a time are made ready together, so that their fetches and fsyncs
 * overlap and a crt-list file is written once for all of them; then each goes into HAProxy for itself, and the
 * handshakes that prove them are made a few at once.
 */
import type { HostView } from '../agent.ts';
import { type Action, isLoading, type Outcome } from '../deploy/action.ts';
import { loadCertificate, proveCertificate, removeFile, unloadFromHaproxy } from '../deploy/deploy.ts';
import { fetchAndInstall, type InstalledFile } from '../deploy/fetch.ts';
import { showCrtListOnce } from '../deploy/load.ts';
import { desiredTails } from '../desired/files.ts';
import { isSameTails, viewCrtList, writeTails } from '../haproxy/crt-list-file.ts';
import { logOutcome } from './log-outcome.ts';
import { type Pace, pacer } from './pace.ts';

/** Their keys are in memory at once, and their files wait for HAProxy's word. */
const AT_A_TIME = 20;
/** A visitor waits behind the handshakes that are made at once: of 20, twice as long as without (p99; docs/bench.md). */
const PROVED_AT_ONCE = 3;

/** @returns what is left to do with them when those before them are through */
type Way = (outcomes: readonly Outcome[], view: HostView) => Promise<() => Promise<void>>;

/** @returns in the order of the plan; fewer where `signal` came: those in hand or being made ready are finished */
export async function applyPlan(
  actions: readonly Action[],
  view: HostView,
  signal?: AbortSignal,
): Promise<Outcome[]> {
  const done = new Map<Action, Outcome>();
  // What comes is there before what goes: a name may move from one to the other.
  const ways = [
    [isBringing, bringSome(pacer(view))] as const,
    [isGoing, removeSome] as const,
    [isIdle, leaveSome] as const,
  ];
  for (const [isOne, way] of ways) {
    const outcomes = actions.filter(isOne).map((action): Outcome => ({ action, progress: {} }));
    for await (const outcome of goThrough(outcomes, way, view, signal)) {
      if (!outcome.action.isProvedLast) logOutcome(view.log, outcome);
      done.set(outcome.action, outcome);
    }
  }
  return actions.flatMap((action) => done.get(action) ?? []);
}

/** While HAProxy works on some, the next ones are made ready. */
async function* goThrough(outcomes: readonly Outcome[], way: Way, view: HostView, signal?: AbortSignal) {
  const begin = (from: number) => {
    if (signal?.aborted || from >= outcomes.length) return undefined;
    const some = outcomes.slice(from, from + AT_A_TIME);
    return { some, begun: way(some, view) };
  };
  let next = begin(0);
  for (let from = AT_A_TIME; next !== undefined; from += AT_A_TIME) {
    const { some, begun } = next;
    const finish = await begun;
    next = begin(from);
    await finish();
    yield* some;
  }
}

const isBringing = (action: Action) => isLoading(action) || action.kind === 'prove';
const isGoing = ({ kind }: Action) => kind === 'remove';
const isIdle = (action: Action) => !isBringing(action) && !isGoing(action);

const bringSome =
  (paced: Pace): Way =>
  async (outcomes, view) => {
    const ready = new Map<Outcome, InstalledFile>();
    const make = async (outcome: Outcome) =>
      void ready.set(outcome, await fetchAndInstall(outcome.action, view, outcome.progress));
    await Promise.all(outcomes.map((outcome) => attempt([outcome], () => make(outcome))));
    // In the order of the plan, by which name-order.ts knows who stands in front of a namesake.
    const inOrder = outcomes.flatMap((outcome) => {
      const prepared = ready.get(outcome);
      return prepared === undefined ? [] : [[outcome, prepared] as const];
    });
    return () => loadSome(inOrder, view, paced);
  };

async function loadSome(
  ready: readonly (readonly [Outcome, InstalledFile])[],
  view: HostView,
  paced: Pace,
): Promise<void> {
  await enlist(
    ready.map(([outcome]) => outcome),
    view,
  );
  for (const [outcome, prepared] of ready.filter(([one]) => isWell(one))) {
    await paced(outcome.action);
    await attempt([outcome], () => loadCertificate(prepared, view, outcome.progress));
  }
  const loaded = ready.filter(([outcome]) => isWell(outcome));
  for (let from = 0; from < loaded.length; from += PROVED_AT_ONCE) {
    const some = loaded.slice(from, from + PROVED_AT_ONCE);
    await Promise.all(
      some.map(([one, prepared]) => attempt([one], () => proveCertificate(prepared, view, one.progress))),
    );
  }
}

/** From HAProxy first, then from its list, then the file: HAProxy does not start with a line that names none. */
const removeSome: Way = async (outcomes, view) => async () => {
  const showCrtList = showCrtListOnce(view.runtime);
  for (const outcome of outcomes)
    await attempt([outcome], () => unloadFromHaproxy(outcome.action, view, showCrtList));
  await enlist(outcomes.filter(isWell), view);
  for (const outcome of outcomes.filter(isWell))
    await attempt([outcome], () => removeFile(outcome.action, view));
};

const leaveSome: Way =
  async (outcomes, { blocker }) =>
  async () => {
    for (const outcome of outcomes) if (outcome.action.kind === 'pending') outcome.error = blocker;
  };

const isWell = ({ error }: Outcome) => error === undefined;

/** One write for all whose lines are other ones. */
async function enlist(outcomes: readonly Outcome[], { crtListFile }: HostView): Promise<void> {
  if (crtListFile === undefined || outcomes.length === 0) return;
  await attempt(outcomes, async () => {
    const files = outcomes.map(({ action }) => action.file);
    const listed = await viewCrtList(crtListFile, files);
    const tailsFor = ({ file, desired }: Action) =>
      desired === undefined ? [] : desiredTails(desired.listing, listed.get(file));
    const changed = outcomes.filter(({ action }) => !isSameTails(tailsFor(action), listed.get(action.file)));
    const tails = new Map(changed.map(({ action }) => [action.file, tailsFor(action)]));
    await attempt(changed, () => writeTails(crtListFile, tails));
    for (const { action, progress, error } of changed)
      if (error === undefined && action.desired !== undefined) progress.isListed = true;
  });
}

/** A certificate's failure is caught here and nowhere else: it never stops another. */
async function attempt(outcomes: readonly Outcome[], work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    for (const outcome of outcomes) outcome.error = error;
  }
}
