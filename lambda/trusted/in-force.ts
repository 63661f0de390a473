/**
 * Never staging by accident: a certificate that browsers trust is not replaced by one that they do not, unless the operator says so. What a
 * staging environment would issue is not even ordered; of a CA that nobody knows, the chain that it has issued is judged.
 */
import { digest } from '#contract/combined-pem.ts';
import { isObjectFault } from '#contract/errors.ts';
import { layout } from '#contract/layout.ts';
import { acmeOriginOf, type ManifestEntry } from '#contract/manifest.ts';
import { knownCaOf } from '../ca/known-cas.ts';
import type { CertificateSpec, Config } from '../config/config.ts';
import type { Pass } from '../pass.ts';
import { publicChainProblem } from '../upgrade/public-chain.ts';

/** Directories whose certificates no browser trusts, by design. */
const STAGING_HOSTS: readonly string[] = [
  // https://letsencrypt.org/docs/staging-environment/
  'acme-staging-v02.api.letsencrypt.org',
  // https://cloud.google.com/certificate-manager/docs/public-ca-tutorial: the staging environment
  'dv.acme-v02.test-api.pki.goog',
];

export function isStaging(directoryUrl: string): boolean {
  return STAGING_HOSTS.includes(new URL(directoryUrl).hostname);
}

/** The CA's certificate would take the place of one that browsers trust. */
export class UntrustedIssuer extends Error {
  override name = 'UntrustedIssuer';
  readonly code = 'ERR_CA_UNTRUSTED';
}

/** A certificate, and what is published of it. */
export interface InForce {
  spec: Pick<CertificateSpec, 'name' | 'fleets'>;
  published: ManifestEntry | undefined;
}

type Source = Pick<Pass, 'bucket' | 'config' | 'trustedRoots'> & {
  readonly timing: Pick<Pass['timing'], 'now'>;
  readonly options: Pick<Pass['options'], 'replaceTrusted'>;
};

/** Before an order. @returns why it would only give what must not be published; undefined: it may be placed */
export async function stagingProblem(
  source: Source,
  inForce: InForce,
  directoryUrl: string,
): Promise<UntrustedIssuer | undefined> {
  if (!isStaging(directoryUrl) || mayReplaceTrusted(source, directoryUrl)) return undefined;
  if (!(await isTrustedInForce(source, inForce))) return undefined;
  return new UntrustedIssuer(
    `${directoryUrl} is a staging environment, and nothing is ordered there: ${CURE}`,
  );
}

/**
 * Before a publication. A CA that has issued what is in force goes on: its root may be younger than our list of roots.
 * @param text combined PEM that it has issued
 * @throws UntrustedIssuer
 */
export async function checkIssuer(
  source: Source,
  inForce: InForce,
  directoryUrl: string,
  text: string,
): Promise<void> {
  if (mayReplaceTrusted(source, directoryUrl) || inForce.published === undefined) return;
  if (isPublic(directoryUrl) || acmeOriginOf(inForce.published)?.directoryUrl === directoryUrl) return;
  const problem = await publicChainProblem(text, source.trustedRoots);
  if (problem === undefined || !(await isTrustedInForce(source, inForce))) return;
  throw new UntrustedIssuer(`what ${directoryUrl} has issued is not published (${problem}): ${CURE}`);
}

/** The operator's word, for this pass or in the configuration. */
export function mayReplaceTrusted(
  { config, options }: { config: Config; options: Pick<Pass['options'], 'replaceTrusted'> },
  directoryUrl: string,
): boolean {
  const ca = [config.acme, ...config.fallback].find((one) => one.directoryUrl === directoryUrl);
  return options.replaceTrusted === true || ca?.replaceTrusted === true;
}

const CURE =
  'browsers trust the certificate that is in force, and would not trust this one; name a CA that they trust, or say that it is meant: pemfleet run --replace-trusted, or acme.replaceTrusted: true';

/** What has expired is not in force. */
async function isTrustedInForce(source: Source, { spec, published }: InForce): Promise<boolean> {
  const [pem] = published?.pems ?? [];
  if (published === undefined || pem === undefined) return false;
  if (Date.parse(pem.notAfter) <= source.timing.now().getTime()) return false;
  const { directoryUrl } = acmeOriginOf(published) ?? {};
  if (directoryUrl !== undefined && isStaging(directoryUrl)) return false;
  // Of ten thousand certificates, none is read for it.
  if (directoryUrl !== undefined && isPublic(directoryUrl)) return true;
  const text = await readPem(source, spec, pem.sha256);
  return text !== undefined && (await publicChainProblem(text, source.trustedRoots)) === undefined;
}

function isPublic(directoryUrl: string): boolean {
  return knownCaOf(directoryUrl) !== undefined && !isStaging(directoryUrl);
}

/** @returns undefined if no fleet of the certificate has it any more */
async function readPem(
  { bucket }: Source,
  { name, fleets }: InForce['spec'],
  sha256: string,
): Promise<string | undefined> {
  for (const fleet of fleets) {
    const body = await bucket.get(layout.pem(fleet, name, sha256)).then(
      (object) => object?.body,
      (error: unknown) => {
        if (isObjectFault(error)) return undefined;
        throw error;
      },
    );
    if (body !== undefined && digest(body) === sha256) return body.toString('utf8');
  }
  return undefined;
}
