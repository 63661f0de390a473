/** A certificate that is there already (rolled back to, imported, adopted) takes the place of none that browsers trust, unless that is meant. */
import { acmeOriginOf, type ManifestEntry } from '#contract/manifest.ts';
import { UntrustedIssuer } from '../acme/problem.ts';
import { coversName } from '../config/identifier.ts';
import { isPublic, isStaging } from '../config/known-cas.ts';
import { publicChainProblem } from '../upgrade/public-chain.ts';
import type { CertificateInFleet, TrustedCertificates } from './in-force.ts';

/** What is to be published, and where. */
export interface PresentInPlace {
  name: CertificateInFleet['name'];
  entry: Pick<ManifestEntry, 'identifiers' | 'issued'>;
  /** Combined PEMs. */
  texts: readonly { text: string }[];
  /** With what each of them has of this name now. */
  fleets: readonly { fleet: CertificateInFleet['fleet']; current: ManifestEntry | undefined }[];
}

export interface PresentTrustSource {
  /** Read when it is needed: what browsers trust takes every place. */
  trusted: () => Promise<TrustedCertificates>;
  /** PEM; default: those that Node.js has of Mozilla. */
  trustedRoots?: readonly string[] | undefined;
  now: () => Date;
}

export interface PresentTrust {
  /** Why browsers do not trust it. */
  problem: string;
  /** They trust what is in force for one of its names. */
  refusal: UntrustedIssuer | undefined;
}

/** @returns undefined: browsers trust it. @throws BucketError */
export async function judgePresent(
  source: PresentTrustSource,
  present: PresentInPlace,
): Promise<PresentTrust | undefined> {
  const problem = await presentProblem(present, source.trustedRoots);
  if (problem === undefined) return undefined;
  const trusted = await source.trusted();
  const names = await namesAtStake(present, trusted, source.now());
  if (!(await trusted.haveOneOf(names))) return { problem, refusal: undefined };
  const refusal = new UntrustedIssuer(
    `${present.name}: browsers trust the certificate that is in force for these names, and would not trust this one (${problem}): --replace-trusted says that it is meant`,
  );
  return { problem, refusal };
}

async function presentProblem(
  { entry, texts }: PresentInPlace,
  trustedRoots: readonly string[] | undefined,
): Promise<string | undefined> {
  const { directoryUrl } = acmeOriginOf(entry) ?? {};
  if (directoryUrl !== undefined && isStaging(directoryUrl))
    return `${directoryUrl} is a staging environment`;
  if (directoryUrl !== undefined && isPublic(directoryUrl)) return undefined;
  for (const { text } of texts) {
    const problem = await publicChainProblem(text, trustedRoots);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

/** A name that the same certificate serves already as one that browsers do not trust, it serves no worse. */
async function namesAtStake(
  { name, entry, fleets }: PresentInPlace,
  trusted: TrustedCertificates,
  now: Date,
): Promise<string[]> {
  const names = new Set<string>();
  for (const { fleet, current } of fleets) {
    const isInForce = current?.pems.every((pem) => Date.parse(pem.notAfter) > now.getTime()) ?? false;
    const isUntrusted =
      current !== undefined && isInForce && !(await trusted.has({ fleet, name, entry: current }));
    const served = isUntrusted ? current.identifiers : [];
    for (const one of entry.identifiers) {
      if (!served.some((held) => coversName(held, one))) names.add(one);
    }
  }
  return [...names];
}
