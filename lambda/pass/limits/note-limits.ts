/** What the limits of the CAs mean for this pass: logged, and kept for `pemfleet status`. */
import type { CaBudget } from '../../ca/budget.ts';
import { heldGroupsOf } from '../../ca/held-back.ts';
import type { DomainBurst } from '../../outcome.ts';
import type { Pass } from '../../pass.ts';
import type { Plan } from '../plan.ts';
import { burstsOf } from './bursts.ts';

/** @param plans as `withinBudget` has left them */
export function noteLimits({ log, options }: Pass, budget: CaBudget, plans: readonly Plan[]): DomainBurst[] {
  const held = plans.flatMap(({ spec, held: by }) => (by === undefined ? [] : [{ name: spec.name, by }]));
  // A pass over some certificates knows nothing of the others.
  if (options.only === undefined) budget.recordHeld(heldGroupsOf(held));
  const bursts = burstsOf(plans, budget);
  for (const { directoryUrl: directory, ...burst } of bursts) log('limit.burst', { directory, ...burst });
  return bursts;
}
