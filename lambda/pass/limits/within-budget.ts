/** Which of the plans have room within the limits of their CAs. */
import type { CaBudget } from '../../ca/budget.ts';
import type { BudgetRequest } from '../../ca/demands.ts';
import type { HeldBack } from '../../ca/held-back.ts';
import type { StoredRecord } from '../../order/record.ts';
import { byUrgency, type Plan } from '../plan.ts';
import { isEmergencyOf } from './renewal.ts';

/**
 * Reserves the new orders in the budget: emergencies first, then renewals, then first issues, each by urgency. A renewal without room at its
 * CA goes to another one that is configured; what has none waits.
 * @returns the plans in order of urgency
 */
export function withinBudget(plans: readonly Plan[], budget: CaBudget): Plan[] {
  const { now } = budget;
  const urgentFirst = [...plans].sort(byUrgency);
  const placed = new Map<Plan, Plan>();
  for (const plan of [...urgentFirst].sort((a, b) => claimOf(a, now) - claimOf(b, now))) {
    placed.set(plan, place(plan, budget, now));
  }
  return urgentFirst.map((plan) => placed.get(plan) ?? plan);
}

function place(plan: Plan, budget: CaBudget, now: Date): Plan {
  const held = reserve(plan, budget, now);
  if (held === undefined) return plan;
  const { decision, others = [] } = plan;
  // A first issue waits: whoever wants so many names of one domain chooses where they come from.
  if (decision.action === 'obtain' && !isFirstIssue(plan)) {
    for (const { directoryUrl, renewal } of others) {
      const moved: Plan = { ...plan, renewal, decision: { ...decision, directoryUrl } };
      if (reserve(moved, budget, now) === undefined) return moved;
    }
  }
  return { ...plan, held, decision: { action: 'defer', reason: 'order-budget', until: held.until } };
}

function reserve(plan: Plan, budget: CaBudget, now: Date): HeldBack | undefined {
  const request = budgetRequestOf(plan, now);
  return request && budget.reserve(request);
}

/** The lower, the sooner it gets its place. A name that nobody serves yet loses nothing that it had. */
function claimOf(plan: Plan, now: Date): number {
  if (isEmergencyPlan(plan, now)) return 0;
  return isFirstIssue(plan) ? 2 : 1;
}

export function isEmergencyPlan({ decision, published }: Plan, now: Date): boolean {
  return isEmergencyOf(published, decision.reason, now);
}

/** Nobody has it yet. */
export function isFirstIssue({ published, servedUntil }: Plan): boolean {
  return published === undefined && servedUntil === undefined;
}

/** What this plan would take; of a resumed record, only legs without an order URL are ordered. */
export function budgetRequestOf(plan: Plan, now: Date): BudgetRequest | undefined {
  const { decision, renewal, spec, stored } = plan;
  if (!('directoryUrl' in decision)) return undefined;
  const { directoryUrl } = decision;
  const certificates = spec.keyTypes.length;
  const count = certificates - (decision.action === 'resume' ? placedOrders(stored) : 0);
  const isEmergency = isEmergencyPlan(plan, now);
  return { directoryUrl, identifiers: spec.identifiers, count, certificates, renewal, isEmergency };
}

/** Legs whose order the CA has given out. */
export function placedOrders(stored: StoredRecord | undefined): number {
  return stored?.record.legs.filter((leg) => leg.orderUrl !== undefined).length ?? 0;
}
