/** All certificates of a pass, so many at once as are configured; who only waits for a CA holds no place that others need. */
import { inParallel, type Place } from '#common/in-parallel.ts';
import { SECOND_MS } from '#common/time.ts';
import type { Timing } from '../../acme/poll.ts';
import { isBatched } from '../../challenge/solver.ts';
import type { Outcome } from '../../outcome.ts';
import type { Pass } from '../../pass.ts';
import { challengeOf, type Plan, sameIdentifiers } from '../plan.ts';
import type { Survey } from '../survey.ts';
import { issueCertificate } from './issue.ts';

/** A batch of Route 53 takes so many; more would all be ordered before the first is issued, and a pass may end between. */
const BATCHED_AT_ONCE = 200;
/** Shorter waits are part of the work: a CA that validates at once is polled after 50 ms. */
const LONG_WAIT_MS = SECOND_MS;

/**
 * Renewals share commits: when no other is to come, those that wait are published.
 * @returns one outcome for each plan
 */
export async function issueAll(pass: Pass, survey: Survey, plans: readonly Plan[]): Promise<Outcome[]> {
  const outcomes = new Map<Plan['spec'], Promise<Outcome>>();
  let atTheEnd: Plan[] = [];
  const issue = async (first: Plan, place: Place) => {
    const placed = { ...pass, timing: timingAt(place, pass.timing) };
    for (let plan: Plan | undefined = first; plan !== undefined; ) {
      const { outcome, isUntried, followUp } = await issueCertificate(placed, survey, plan);
      if (!isUntried || !outcomes.has(plan.spec)) outcomes.set(plan.spec, outcome);
      if (followUp?.when === 'at-the-end') atTheEnd.push(followUp.plan);
      plan = followUp?.when === 'at-once' ? followUp.plan : undefined;
    }
  };
  try {
    await inLanes(pass, plans, issue);
    const late = atTheEnd;
    atTheEnd = [];
    await inLanes(pass, late, issue);
  } finally {
    for (const publisher of survey.publishers.values()) publisher.hurry();
    await Promise.allSettled(outcomes.values());
  }
  return Promise.all(outcomes.values());
}

async function inLanes(
  { config }: Pass,
  plans: readonly Plan[],
  issue: (plan: Plan, place: Place) => Promise<void>,
): Promise<void> {
  const { batched, others } = lanesOf(plans);
  const lanes = await Promise.allSettled([
    inParallel(batched, BATCHED_AT_ONCE, issue, sameIdentifiers),
    inParallel(others, config.concurrency, issue, sameIdentifiers),
  ]);
  for (const lane of lanes) if (lane.status === 'rejected') throw lane.reason;
}

/** The clock of a certificate at a place, which another one takes while this one sleeps. */
function timingAt(place: Place, timing: Timing): Timing {
  const { sleep } = timing;
  return { ...timing, sleep: (ms) => (ms < LONG_WAIT_MS ? sleep(ms) : place.whileWaiting(() => sleep(ms))) };
}

/** Orders whose records go into a zone together wait for it together. Plans with the same names stay in one lane. */
function lanesOf(plans: readonly Plan[]): { batched: Plan[]; others: Plan[] } {
  const together = new Set(plans.filter((plan) => isBatched(challengeOf(plan))).map(sameIdentifiers));
  const isTogether = (plan: Plan) => together.has(sameIdentifiers(plan));
  return { batched: plans.filter(isTogether), others: plans.filter((plan) => !isTogether(plan)) };
}
