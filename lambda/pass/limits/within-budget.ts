/** Which of the plans have room within the limits of their CAs. */
import type { CaBudget } from '../../ca/budget.ts';
import type { BudgetRequest } from '../../ca/demands.ts';
import type { Reservation } from '../../ca/reservations.ts';
import { isLongWait } from '../../order/back-off.ts';
import { openOrders } from '../../order/record.ts';
import { byUrgency, type Plan } from '../plan.ts';
import { emergencyOf } from './renewal.ts';

/**
 * Reserves the new orders in the budget: emergencies first, then renewals, then first issues, each by urgency. A renewal without room at its
 * CA, and a first issue that would wait for long, go to another one that is configured; what has none waits.
 * @returns the plans in order of urgency
 */
export function withinBudget(plans: readonly Plan[], budget: CaBudget): Plan[] {
  const { now } = budget;
  const urgentFirst = [...plans].sort(byUrgency(now));
  const placed = new Map<Plan, Plan>();
  for (const plan of [...urgentFirst].sort((a, b) => claimOf(a, now) - claimOf(b, now))) {
    placed.set(plan, place(plan, budget, now));
  }
  return urgentFirst.map((plan) => placed.get(plan) ?? plan);
}

function place(plan: Plan, budget: CaBudget, now: Date): Plan {
  const reservation = reserve(plan, budget, now);
  const held = reservation?.held;
  if (held === undefined) return { ...plan, reservation };
  const { decision, others = [] } = plan;
  // A burst of first issues that has its turn soon waits for the preferred CA; for days, no name stays without a certificate.
  if (decision.action === 'obtain' && (!isFirstIssue(plan) || isLongWait(held.until, now))) {
    for (const { directoryUrl, renewal } of others) {
      const rest = others.filter((other) => other.directoryUrl !== directoryUrl);
      const moved: Plan = { ...plan, renewal, others: rest, decision: { ...decision, directoryUrl } };
      const there = reserve(moved, budget, now);
      if (there?.held === undefined) return { ...moved, reservation: there };
    }
  }
  return { ...plan, held, decision: { action: 'defer', reason: 'order-budget', until: held.until } };
}

function reserve(plan: Plan, budget: CaBudget, now: Date): Reservation | undefined {
  const request = budgetRequestOf(plan, now);
  return request && budget.reserve(request);
}

/** The lower, the sooner it gets its place. A name that nobody serves yet loses nothing that it had. */
function claimOf(plan: Plan, now: Date): number {
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
