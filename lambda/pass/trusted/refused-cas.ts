/** CAs whose certificates may not be published are not chosen, and what one has issued all the same is refused. */

import { UntrustedIssuer } from '../../acme/problem.ts';
import type { CaBudget } from '../../ca/budget.ts';
import { configuredCas } from '../../config/acme.ts';
import { isPublic, isStaging } from '../../config/known-cas.ts';
import type { StoredRecord } from '../../order/record.ts';
import type { Pass } from '../../pass.ts';
import { hasFailedUntrusted } from '../../trusted/read-refusals.ts';
import { checkIssuer, refusalBefore, type WantedCertificate } from '../../trusted/refused-ca.ts';
import { publicChainProblem } from '../../upgrade/public-chain.ts';
import type { CaaForbids } from '../caa/forbidden.ts';
import type { Survey } from '../survey.ts';

/** By directory URL, why nothing is ordered there for this certificate. */
export type RefusedCas = ReadonlyMap<string, UntrustedIssuer | CaaForbids>;

export async function refusedCas(
  pass: Pass,
  { budget, trusted }: Pick<Survey, 'budget' | 'trusted'>,
  subject: WantedCertificate & { stored: StoredRecord | undefined },
): Promise<RefusedCas> {
  const words = { ...pass, trusted, now: pass.timing.now };
  const refused = new Map<string, UntrustedIssuer>();
  for (const { directoryUrl } of configuredCas(pass.config)) {
    const hasIssued = hasIssuedUntrusted(budget, subject.stored, directoryUrl);
    const refusal = await refusalBefore(words, subject, directoryUrl, hasIssued);
    if (refusal !== undefined) refused.set(directoryUrl, refusal);
  }
  return refused;
}

/** Nothing is read for a certificate where no CA can be refused. */
export function mayRefuse(
  { config }: Pass,
  { budget }: Pick<Survey, 'budget'>,
  stored: StoredRecord | undefined,
): boolean {
  const all = configuredCas(config).map(({ directoryUrl }) => directoryUrl);
  return all.some((url) => isStaging(url) || hasIssuedUntrusted(budget, stored, url));
}

function hasIssuedUntrusted(
  budget: CaBudget,
  stored: StoredRecord | undefined,
  directoryUrl: string,
): boolean {
  return budget.hasIssuedUntrusted(directoryUrl) || hasFailedUntrusted(stored, directoryUrl);
}

/** @param texts combined PEMs that the CA has issued. @throws UntrustedIssuer if they must not be published */
export async function checkIssued(
  pass: Pass,
  { budget, trusted }: Survey,
  wanted: WantedCertificate,
  { directoryUrl, texts }: { directoryUrl: string; texts: readonly { text: string }[] },
): Promise<void> {
  const words = { ...pass, trusted, now: pass.timing.now };
  try {
    await checkIssuer(
      words,
      wanted,
      directoryUrl,
      texts.map(({ text }) => text),
    );
    const [first] = texts;
    if (first !== undefined) await noteTrust(pass, budget, directoryUrl, first.text);
  } catch (error) {
    if (error instanceof UntrustedIssuer) budget.recordUntrusted(directoryUrl);
    throw error;
  }
}

/** Once for each CA that is in no table. */
async function noteTrust(
  { trustedRoots }: Pass,
  budget: CaBudget,
  directoryUrl: string,
  text: string,
): Promise<void> {
  if (isPublic(directoryUrl) || isStaging(directoryUrl) || budget.isTrustJudged(directoryUrl)) return;
  const problem = await publicChainProblem(text, trustedRoots);
  budget.recordTrust(directoryUrl, problem === undefined);
}
