/** First issues that use up most of what a CA allows for one registered domain: said before they are ordered. Pure. */
import type { CaBudget } from '../../ca/budget.ts';
import { registeredDomainsOf } from '../../ca/registered-domain.ts';
import type { DomainBurst } from '../../outcome.ts';
import type { Plan } from '../plan.ts';
import { isFirstIssue } from './within-budget.ts';

/** Of what the CA allows at once: beyond it, the next customer or changed name of the domain has to wait. */
const SHARE = 1 / 2;

/** @param plans as `withinBudget` has left them */
export function burstsOf(plans: readonly Plan[], budget: CaBudget): DomainBurst[] {
  const bursts = new Map<string, DomainBurst>();
  for (const plan of plans.filter(isFirstIssue)) {
    const { decision, held } = plan;
    const directoryUrl = 'directoryUrl' in decision ? decision.directoryUrl : held?.directoryUrl;
    if (directoryUrl === undefined) continue;
    for (const domain of registeredDomainsOf(plan.spec.identifiers)) {
      const key = `${directoryUrl} ${domain}`;
      const fresh = { directoryUrl, domain, ordered: 0, waiting: 0, allowed: 0 };
      const burst: DomainBurst = bursts.get(key) ?? fresh;
      const isHeld = held?.limit === 'certificatesPerDomain' && held.subject === domain;
      const until = isHeld ? latest(burst.until, held.until) : burst.until;
      const ordered = burst.ordered + ('directoryUrl' in decision ? 1 : 0);
      bursts.set(key, { ...burst, ordered, waiting: burst.waiting + (isHeld ? 1 : 0), until });
    }
  }
  return [...bursts.values()].flatMap((burst) => {
    const allowed = budget.domainLimit(burst.directoryUrl)?.count;
    const isBurst = allowed !== undefined && burst.ordered + burst.waiting > allowed * SHARE;
    return isBurst ? [{ ...burst, allowed }] : [];
  });
}

function latest(before: string | undefined, time: Date): string {
  const text = time.toISOString();
  return before === undefined || text > before ? text : before;
}
