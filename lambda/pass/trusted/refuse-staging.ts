/** Plans that would order from a staging environment what must not be published: they are refused before they cost anything. */
import type { Pass } from '../../pass.ts';
import { checkIssuer, type InForce, stagingProblem } from '../../trusted/in-force.ts';
import type { Plan } from '../plan.ts';
import type { Survey } from '../survey.ts';

/** @returns the plans, those that are refused deferred (`trusted-in-force`) */
export async function refuseStaging(pass: Pass, survey: Survey, plans: readonly Plan[]): Promise<Plan[]> {
  const judged: Plan[] = [];
  for (const plan of plans) {
    const { decision } = plan;
    const refusal =
      'directoryUrl' in decision
        ? await stagingProblem(pass, inForceOf(survey, plan), decision.directoryUrl)
        : undefined;
    const held = { ...plan, decision: { action: 'defer', reason: 'trusted-in-force' }, refusal } as const;
    judged.push(refusal === undefined ? plan : held);
  }
  return judged;
}

/** @param texts combined PEMs that the CA has issued. @throws UntrustedIssuer if they must not be published */
export async function checkIssued(
  pass: Pass,
  survey: Survey,
  plan: Plan,
  { directoryUrl, texts }: { directoryUrl: string; texts: readonly { text: string }[] },
): Promise<void> {
  const [first] = texts;
  if (first !== undefined) await checkIssuer(pass, inForceOf(survey, plan), directoryUrl, first.text);
}

/** A certificate that its CA has revoked protects nobody. */
function inForceOf({ revoked }: Survey, { spec, published }: Plan): InForce {
  const isRevoked = published?.pems.some(({ sha256 }) => revoked.has(sha256)) ?? false;
  return { spec, published: isRevoked ? undefined : published };
}
