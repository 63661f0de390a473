/** What the same pass still does for a certificate whose attempt has failed. */
import { faultOf } from '../../acme/fault.ts';
import { StillProcessing } from '../../acme/problem.ts';
import { isEmergency } from '../../order/lifetime.ts';
import type { Pass } from '../../pass.ts';
import { withinBudget } from '../limits/within-budget.ts';
import type { Plan } from '../plan.ts';
import type { Survey } from '../survey.ts';
import type { OrderInFlight } from './order-in-flight.ts';

export interface FollowUp {
  plan: Plan;
  when: 'at-once' | 'at-the-end';
}

/**
 * An order that its CA still processes is looked at once more when all others are done. In an emergency the next CA is asked at once:
 * the next pass may come too late.
 */
export function followUpOf(
  pass: Pass,
  survey: Survey,
  { plan: failed, stored }: OrderInFlight,
  error: unknown,
): FollowUp | undefined {
  const plan = { ...failed, stored };
  if (!('directoryUrl' in plan.decision)) return undefined;
  const { directoryUrl } = plan.decision;
  if (error instanceof StillProcessing) {
    const decision = { action: 'resume', reason: 'order-in-flight', directoryUrl } as const;
    return { plan: { ...plan, decision }, when: 'at-the-end' };
  }
  if (!isAlmostOver(plan, pass.timing.now()) || faultOf(error) === 'ours') return undefined;
  const next = nextCa(pass, survey, plan, directoryUrl);
  if (next === undefined) return undefined;
  const decision = { action: 'obtain', reason: 'ca-failing', directoryUrl: next } as const;
  const [reserved] = withinBudget([{ ...plan, decision }], survey.budget);
  return reserved && { plan: reserved, when: 'at-once' };
}

/** Less than a twentieth of its life is left. */
export function isAlmostOver({ published }: Pick<Plan, 'published'>, now: Date): boolean {
  return published?.pems.some((pem) => isEmergency(pem, now)) ?? false;
}

function nextCa(
  { config }: Pass,
  { budget }: Survey,
  { refused }: Plan,
  directoryUrl: string,
): string | undefined {
  const urls = [config.acme, ...config.fallback].map((ca) => ca.directoryUrl);
  return urls
    .slice(urls.indexOf(directoryUrl) + 1)
    .find((url) => budget.pausedUntil(url) === undefined && !refused?.has(url));
}
