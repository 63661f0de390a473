/** Which certificate has issued which, from a leaf towards its root: what HAProxy sends. Pure. */
import type { X509Certificate } from 'node:crypto';
import { isIssuedBy, isSelfSigned, namesOf } from '#contract/combined-pem.ts';
import { PemRejected } from '#contract/errors.ts';

export interface IssuedChain {
  /** Leaf first; without the root. */
  chain: X509Certificate[];
  /** A root that is among the files has issued the leaf itself: there is no intermediate. */
  isIssuedByRoot: boolean;
}

/** A chain has three certificates, with cross-signed roots four or five. */
const MAX_CHAIN = 10;

/**
 * By signature, whatever order the files have.
 * @param all leaf, intermediates, and what else is there
 * @throws PemRejected where clients could not verify it
 */
export function issuedChainOf(
  leaf: X509Certificate,
  all: readonly X509Certificate[],
  now: Date,
): IssuedChain {
  if (isSelfSigned(leaf)) {
    throw new PemRejected(
      'ERR_PEM_CHAIN',
      `${titleOfCertificate(leaf)} is self-signed: no client can verify it; wanted one that a CA has issued`,
    );
  }
  if (namesOf(leaf).length === 0) {
    throw new PemRejected(
      'ERR_PEM_NAMES',
      `${titleOfCertificate(leaf)} has no subjectAltName: clients take no common name any more (RFC 9110 §4.3.4); have it issued again with its names`,
    );
  }
  if (leaf.ca) throw new PemRejected('ERR_PEM_CHAIN', `${titleOfCertificate(leaf)} is a CA, not a leaf`);
  const chain = [leaf];
  for (let last = leaf; chain.length < MAX_CHAIN; ) {
    const issuers = all.filter((one) => isIssuedBy(last, one));
    const next = issuers
      .filter((one) => !isSelfSigned(one) && !chain.includes(one))
      .sort((a, b) => rank(a, now) - rank(b, now))[0];
    if (next !== undefined) {
      chain.push(next);
      last = next;
      continue;
    }
    const hasRoot = issuers.some(isSelfSigned);
    if (chain.length > 1 || hasRoot) return { chain, isIssuedByRoot: chain.length === 1 };
    throw missingIssuer(leaf, all);
  }
  throw new PemRejected(
    'ERR_PEM_CHAIN',
    `wanted at most ${MAX_CHAIN} certificates from ${titleOfCertificate(leaf)} to its root`,
  );
}

/** What is valid first, and of that what ends last. */
function rank({ validFrom, validTo }: X509Certificate, now: Date): number {
  const isValid = now >= new Date(validFrom) && now < new Date(validTo);
  return (isValid ? -1 : 1) * Date.parse(validTo);
}

function missingIssuer(leaf: X509Certificate, all: readonly X509Certificate[]): PemRejected {
  const others = all.filter((one) => one !== leaf && one.ca);
  const saw =
    others.length === 0 ? 'no certificate of a CA' : others.map(titleOfCertificate).slice(0, 5).join(', ');
  const url = /CA Issuers - URI:(\S+)/.exec(leaf.infoAccess ?? '')?.[1];
  const where = url === undefined ? '' : `; its CA has it at ${url.slice(0, 200)}`;
  return new PemRejected(
    'ERR_PEM_CHAIN',
    `the intermediate certificate is missing: wanted the one of ${lineOf(leaf.issuer)}, which issued ${titleOfCertificate(leaf)}; saw ${saw}${where}`,
  );
}

/** Its first name, or its subject. */
export function titleOfCertificate(certificate: X509Certificate): string {
  const [name] = namesOf(certificate);
  return name ?? lineOf(certificate.subject);
}

function lineOf(distinguishedName: string | undefined): string {
  return (distinguishedName ?? '').split('\n').join(', ').slice(0, 200) || 'a certificate without a subject';
}
