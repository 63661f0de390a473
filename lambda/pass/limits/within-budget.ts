/** Which of the plans have room within the limits of their CAs. */
import { inParallel } from '#common/in-parallel.ts';
import type { CaBudget } from '../../ca/budget.ts';
import type { BudgetRequest } from '../../ca/demands.ts';
import type { Reservation } from '../../ca/reservations.ts';
import { isLongWait } from '../../order/back-off.ts';
import { openOrders } from '../../order/record.ts';
import type { Pass } from '../../pass.ts';
import { forbiddenByCaa } from '../caa/forbidden.ts';
import { byUrgency, type Plan } from '../plan.ts';
import type { CaOffer } from './cas-for.ts';
import { emergencyOf, isAlmostOver } from './renewal.ts';

/**
 * Reserves the new orders in the budget: emergencies first, then renewals, then first issues, each by urgency. A renewal without room at its
 * CA, and a first issue that would wait for long, go to another one that is configured; what has none waits.
 * @returns the plans in order of urgency
 */
export function withinBudget(plans: readonly Plan[], budget: CaBudget): Plan[] {
  const placed = byClaim(plans, budget.now).flatMap((claim) => moveHeld(reserveAll(claim, budget), budget));
  return placed.sort(byUrgency(budget.now));
}

/** The same, and none goes where CAA records forbid it: they are looked up for what has no room, and for nothing else. */
export async function withinBudgetAndCaa(
  pass: Pass,
  plans: readonly Plan[],
  budget: CaBudget,
): Promise<Plan[]> {
  const placed: Plan[] = [];
  for (const claim of byClaim(plans, budget.now)) {
    const allowed = await inParallel(
      reserveAll(claim, budget),
      LOOKED_UP_AT_ONCE,
      (plan) => (mayMove(plan, budget.now) ? withoutForbidden(pass, plan) : Promise.resolve(plan)),
      ({ spec }) => spec.name,
    );
    placed.push(...moveHeld(allowed, budget));
  }
  return placed.sort(byUrgency(budget.now));
}

const LOOKED_UP_AT_ONCE = 10;

/** In an emergency, whatever can be tried is tried. */
async function withoutForbidden(pass: Pass, plan: Plan): Promise<Plan> {
  if (isAlmostOver(plan, pass.timing.now())) return plan;
  const others: CaOffer[] = [];
  for (const offer of plan.others ?? []) {
    if ((await forbiddenByCaa(pass, plan.spec, offer.directoryUrl)) === undefined) others.push(offer);
  }
  return { ...plan, others };
}

/** At the CA of each decision; what finds no room there is `held`. */
function reserveAll(plans: readonly Plan[], budget: CaBudget): Plan[] {
  return plans.map((plan) => {
    const reservation = reserve(plan, budget, budget.now);
    const held = reservation?.held;
    return held === undefined ? { ...plan, reservation } : { ...plan, held };
  });
}

/** To the first CA with room; what finds none waits. */
function moveHeld(plans: readonly Plan[], budget: CaBudget): Plan[] {
  return plans.map((plan) => (isWithoutRoom(plan) ? move(plan, budget) : plan));
}

/** Each by urgency. The next claim has its turn when the one before has its places, also at the CAs that it moves to. */
function byClaim(plans: readonly Plan[], now: Date): Plan[][] {
  const claims: Plan[][] = [[], [], []];
  for (const plan of [...plans].sort(byUrgency(now))) claims[claimOf(plan, now)]?.push(plan);
  return claims;
}

/** Of a decision that the budget holds back; a plan that waits for a paused CA names what it waits for, too. */
function isWithoutRoom({ decision, held }: Plan): boolean {
  return held !== undefined && 'directoryUrl' in decision;
}

/** A burst of first issues that has its turn soon waits for the preferred CA; for days, no name stays without a certificate. */
function mayMove(plan: Plan, now: Date): boolean {
  const { decision, held } = plan;
  return (
    held !== undefined && decision.action === 'obtain' && (!isFirstIssue(plan) || isLongWait(held.until, now))
  );
}

function move(plan: Plan, budget: CaBudget): Plan {
  const { now } = budget;
  const { decision, held, others = [] } = plan;
  if (held === undefined) return plan;
  if (decision.action === 'obtain' && mayMove(plan, now)) {
    for (const { directoryUrl, renewal } of others) {
      const rest = others.filter((other) => other.directoryUrl !== directoryUrl);
      const there = { ...decision, directoryUrl };
      const moved: Plan = { ...plan, held: undefined, renewal, others: rest, decision: there };
      const reservation = reserve(moved, budget, now);
      if (reservation?.held === undefined) return { ...moved, reservation };
    }
  }
  return { ...plan, decision: { action: 'defer', reason: 'order-budget', until: held.until } };
}

function reserve(plan: Plan, budget: CaBudget, now: Date): Reservation | undefined {
  const request = budgetRequestOf(plan, now);
  return request && budget.reserve(request);
}

/** The lower, the sooner it gets its place. A name that nobody serves yet loses nothing that it had. */
function claimOf(plan: Plan, now: Date): 0 | 1 | 2 {
  if (emergencyOf(plan, now) !== undefined) return 0;
  return isFirstIssue(plan) ? 2 : 1;
}

/** Nobody has it yet. */
export function isFirstIssue({ published, servedUntil }: Plan): boolean {
  return published === undefined && servedUntil === undefined;
}

/** What this plan would take; of a resumed record, only legs without an order that may still become valid. */
export function budgetRequestOf(plan: Plan, now: Date): BudgetRequest | undefined {
  const { decision, renewal, spec, stored } = plan;
  if (!('directoryUrl' in decision)) return undefined;
  const { directoryUrl } = decision;
  const certificates = spec.keyTypes.length;
  const count = certificates - (decision.action === 'resume' && stored ? openOrders(stored.record) : 0);
  const isEmergency = emergencyOf(plan, now) !== undefined;
  return { directoryUrl, identifiers: spec.identifiers, count, certificates, renewal, isEmergency };
}
