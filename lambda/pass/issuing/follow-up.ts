/** What the same pass still does for a certificate whose attempt has failed. */

import { NotOffered, StillProcessing } from '../../acme/problem.ts';
import { configuredCas } from '../../config/acme.ts';
import { faultOfAttempt } from '../../order/back-off.ts';
import type { Pass } from '../../pass.ts';
import { forbiddenByCaa } from '../caa/forbidden.ts';
import { isAlmostOver } from '../limits/renewal.ts';
import { withinBudgetAndCaa } from '../limits/within-budget.ts';
import type { Plan } from '../plan.ts';
import type { Survey } from '../survey.ts';
import type { OrderInFlight } from './order-in-flight.ts';

export interface FollowUp {
  plan: Plan;
  when: 'at-once' | 'at-the-end';
}

/**
 * An order that its CA still processes is looked at once more when all others are done. The next CA is asked at once in an emergency, for the
 * next pass may come too late, where the CA has let no order come about in more passes than one, and where it does not offer what is configured.
 */
export async function followUpOf(
  pass: Pass,
  survey: Survey,
  order: OrderInFlight,
  error: unknown,
): Promise<FollowUp | undefined> {
  const plan = { ...order.plan, stored: order.stored };
  if (!('directoryUrl' in plan.decision)) return undefined;
  const { directoryUrl } = plan.decision;
  if (error instanceof StillProcessing) {
    const decision = { action: 'resume', reason: 'order-in-flight', directoryUrl } as const;
    return reserved(pass, survey, { ...plan, decision }, 'at-the-end');
  }
  const isTheirs =
    error instanceof NotOffered ||
    faultOfAttempt(error, pass.timing.now()) !== 'ours' ||
    order.isRefusedAt(directoryUrl);
  const isLeft =
    isAlmostOver(plan, pass.timing.now()) ||
    lacksOffer(survey, plan, error) ||
    (!order.hasRecordAt(directoryUrl) && survey.budget.isTurningAway(directoryUrl));
  return isTheirs && isLeft ? atNextCa(pass, survey, plan, directoryUrl) : undefined;
}

/** No wait helps, and no order record keeps count. What is served already has time for a second look: one pass may have had bad luck. */
function lacksOffer({ failed }: Survey, { published, spec }: Plan, error: unknown): boolean {
  if (!(error instanceof NotOffered)) return false;
  return published === undefined || failed[spec.name] !== undefined;
}

/** Nothing was tried: the CA has sent other certificates of the pass away. */
export async function followUpWhilePaused(
  pass: Pass,
  survey: Survey,
  plan: Plan,
): Promise<FollowUp | undefined> {
  if (!('directoryUrl' in plan.decision)) return undefined;
  const { directoryUrl } = plan.decision;
  const isLeft = isAlmostOver(plan, pass.timing.now()) || survey.budget.isTurningAway(directoryUrl);
  return isLeft ? atNextCa(pass, survey, plan, directoryUrl) : undefined;
}

async function atNextCa(
  pass: Pass,
  survey: Survey,
  plan: Plan,
  directoryUrl: string,
): Promise<FollowUp | undefined> {
  const next = await nextCa(pass, survey, plan, directoryUrl);
  if (next === undefined) return undefined;
  // What the CA that failed would exempt counts at the next one.
  const renewal = plan.others?.find((offer) => offer.directoryUrl === next)?.renewal;
  const decision = { action: 'obtain', reason: 'ca-failing', directoryUrl: next } as const;
  const others = plan.others?.filter((offer) => offer.directoryUrl !== next) ?? [];
  return reserved(pass, survey, { ...plan, decision, renewal, others }, 'at-once');
}

/** The reservation of the first attempt has ended with it. */
async function reserved(
  pass: Pass,
  { budget }: Survey,
  given: Plan,
  when: FollowUp['when'],
): Promise<FollowUp | undefined> {
  const [plan] = await withinBudgetAndCaa(pass, [{ ...given, reservation: undefined }], budget);
  return plan && { plan, when };
}

async function nextCa(
  pass: Pass,
  { budget }: Survey,
  plan: Plan,
  directoryUrl: string,
): Promise<string | undefined> {
  const urls = configuredCas(pass.config).map((ca) => ca.directoryUrl);
  const others = urls
    .slice(urls.indexOf(directoryUrl) + 1)
    .filter((url) => budget.pausedUntil(url) === undefined && !plan.refused?.has(url));
  if (isAlmostOver(plan, pass.timing.now())) return others[0];
  for (const url of others) if ((await forbiddenByCaa(pass, plan.spec, url)) === undefined) return url;
  return undefined;
}
