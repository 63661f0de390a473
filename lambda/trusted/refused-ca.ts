/** Whether what a CA issues may be published, where a certificate that browsers trust is in force. */

import { acmeOriginOf, type ManifestEntry } from '#contract/manifest.ts';
import { UntrustedIssuer } from '../acme/problem.ts';
import { configuredCas } from '../config/acme.ts';
import type { CertificateSpec, Config } from '../config/config.ts';
import { coversName } from '../config/identifier.ts';
import { isPublic, isStaging } from '../config/known-cas.ts';
import type { PassOptions } from '../pass.ts';
import { publicChainProblem } from '../upgrade/public-chain.ts';
import type { TrustedCertificates } from './in-force.ts';

/** A certificate, and what is published of it. */
export interface WantedCertificate {
  spec: Pick<CertificateSpec, 'identifiers'>;
  published: ManifestEntry | undefined;
}

/** What has been said of CAs. */
export interface CaWords {
  config: Pick<Config, 'acme' | 'fallback'>;
  options: Pick<PassOptions, 'replaceTrusted'>;
  trusted: TrustedCertificates;
  now: () => Date;
}

/**
 * Before an order.
 * @param hasIssuedUntrusted what this CA has issued was not published before
 * @returns why it would only give what must not be published; undefined: it may be placed
 */
export async function refusalBefore(
  words: CaWords,
  wanted: WantedCertificate,
  directoryUrl: string,
  hasIssuedUntrusted: boolean,
): Promise<UntrustedIssuer | undefined> {
  const isKnown = isStaging(directoryUrl);
  if ((!isKnown && !hasIssuedUntrusted) || mayReplaceTrusted(words, directoryUrl)) return undefined;
  if (!(await words.trusted.haveOneOf(namesAtStake(words, wanted, directoryUrl)))) return undefined;
  const why = isKnown ? 'is a staging environment' : 'issues what browsers do not trust';
  const cure = isKnown ? cureBy('pemfleet go-live names a CA that they trust') : CURE;
  return new UntrustedIssuer(`${directoryUrl} ${why}, and nothing is ordered there: ${cure}`);
}

/**
 * Before a publication. A CA that has issued what is in force goes on: its root may be younger than our list of roots.
 * @param texts combined PEMs that it has issued
 * @throws UntrustedIssuer
 */
export async function checkIssuer(
  words: CaWords & { trustedRoots?: readonly string[] | undefined },
  wanted: WantedCertificate,
  directoryUrl: string,
  texts: readonly string[],
): Promise<void> {
  if (mayReplaceTrusted(words, directoryUrl) || isPublic(directoryUrl)) return;
  const names = namesAtStake(words, wanted, directoryUrl);
  // Most replace nothing that browsers trust, and a handshake for each costs more than to look.
  if (names.length === 0 || !(await words.trusted.haveOneOf(names))) return;
  for (const text of texts) {
    const problem = await publicChainProblem(text, words.trustedRoots);
    if (problem === undefined) continue;
    throw new UntrustedIssuer(`what ${directoryUrl} has issued is not published (${problem}): ${CURE}`);
  }
}

/** The operator's word, for this pass or in the configuration. */
export function mayReplaceTrusted(
  { config, options }: Pick<CaWords, 'config' | 'options'>,
  directoryUrl: string,
): boolean {
  const ca = configuredCas(config).find((one) => one.directoryUrl === directoryUrl);
  return options.replaceTrusted === true || ca?.replaceTrusted === true;
}

const cureBy = (otherCa: string) =>
  `browsers trust the certificate that is in force, and would not trust this one; ${otherCa}, or say that it is meant: pemfleet run --replace-trusted, or acme.replaceTrusted: true`;
const CURE = cureBy('name a CA that they trust');

/** Names that this CA serves already, its next certificate serves no worse. */
function namesAtStake(
  { now }: Pick<CaWords, 'now'>,
  { spec, published }: WantedCertificate,
  directoryUrl: string,
): readonly string[] {
  const isOfThisCa = published !== undefined && acmeOriginOf(published)?.directoryUrl === directoryUrl;
  const isInForce = published?.pems.every((pem) => Date.parse(pem.notAfter) > now().getTime()) ?? false;
  if (!isOfThisCa || !isInForce) return spec.identifiers;
  const { identifiers } = published;
  return spec.identifiers.filter((name) => !identifiers.some((held) => coversName(held, name)));
}
