/**
 * Puts certificates and keys from files in the order in which HAProxy wants them: which certificate the key belongs to, which one issued
 * which, and which are not needed. Pure.
 */
import type { KeyObject, X509Certificate } from 'node:crypto';
import { isIssuedBy, isSelfSigned, keyTypeOf, namesOf } from '#contract/combined-pem.ts';
import { PemRejected } from '#contract/errors.ts';
import type { ImportedCertificate, Material } from './material.ts';
import { ImportRefused } from './refused.ts';

/** One leaf with its intermediates and its key. */
export interface ArrangedCertificate {
  leaf: X509Certificate;
  /** Leaf first; without the root. */
  chain: X509Certificate[];
  key: KeyObject;
  /** A root that is among the files has issued the leaf itself: there is no intermediate. */
  isIssuedByRoot: boolean;
}

export interface Arranged {
  /** One, or an elliptic and an RSA one of the same names; the elliptic first. */
  certificates: ArrangedCertificate[];
  /** What people should know of it. */
  notes: string[];
}

/** A chain has three certificates, with cross-signed roots four or five. */
const MAX_CHAIN = 10;

/** @throws ImportRefused, PemRejected */
export function arrange({ certificates, keys }: Material, now: Date): Arranged {
  const notes: string[] = [];
  if (certificates.length === 0)
    throw new ImportRefused('wanted a certificate with its private key, saw keys only');
  if (keys.length === 0)
    throw new PemRejected(
      'ERR_PEM_KEY',
      `wanted the private key of ${certificates.map(titleOf).slice(0, 3).join(', ')}; none of the files holds a private key`,
    );
  const owned = keys.map(({ key, file }) => {
    const own = certificates.filter(({ certificate }) => certificate.checkPrivateKey(key));
    if (own.length === 0) {
      throw new PemRejected(
        'ERR_PEM_KEY_MISMATCH',
        `the private key in ${file} belongs to none of the certificates: saw ${certificates.map(titleOf).slice(0, 5).join(', ')}`,
      );
    }
    return { key, leaf: newest(own, notes).certificate };
  });
  const arranged = owned.map(({ key, leaf }) => ({ leaf, key, ...chainOf(leaf, certificates, now) }));
  const used = new Set(arranged.flatMap(({ chain }) => chain));
  for (const one of certificates) {
    const { certificate } = one;
    // Not publicKey.equals(): of two types of keys it leaves an error in OpenSSL, which the next key that is read fails with.
    const isOld = arranged.some(({ key }) => certificate.checkPrivateKey(key));
    if (used.has(certificate) || isOld) continue;
    notes.push(
      `${one.file}: ${titleOf(one)} is ${isSelfSigned(certificate) ? 'a root' : 'not needed'}, and is left out`,
    );
  }
  return { certificates: pairOf(arranged), notes };
}

/** Certificates of one key: renewals that kept it. */
function newest(own: readonly ImportedCertificate[], notes: string[]): ImportedCertificate {
  const [first, ...others] = [...own].sort(
    (a, b) => Date.parse(b.certificate.validTo) - Date.parse(a.certificate.validTo),
  );
  if (first === undefined) throw new TypeError('no certificate');
  notes.push(
    ...others.map((one) => `${one.file}: ${titleOf(one)} has the same key and ends earlier: it is left out`),
  );
  return first;
}

/** @throws ImportRefused for two certificates that are no pair */
function pairOf(all: readonly ArrangedCertificate[]): ArrangedCertificate[] {
  const kinds = new Set(all.map(({ key }) => key.asymmetricKeyType === 'rsa'));
  const names = new Set(all.map(({ leaf }) => namesOf(leaf).sort().join()));
  const isPair = all.length <= 2 && kinds.size === all.length && names.size === 1;
  // Elliptic first, as the issuer orders them.
  if (isPair) return [...all].sort((a, b) => (keyTypeOf(a.key) < keyTypeOf(b.key) ? -1 : 1));
  const what = all.map(({ leaf, key }) => `${describe(leaf)} (${keyTypeOf(key)})`).join(', ');
  throw new ImportRefused(
    `wanted one certificate, or one with an elliptic and one with an RSA key for the same names; saw ${what}: import them one by one`,
  );
}

/** By signature, whatever order the files have. @throws PemRejected */
function chainOf(
  leaf: X509Certificate,
  all: readonly ImportedCertificate[],
  now: Date,
): Pick<ArrangedCertificate, 'chain' | 'isIssuedByRoot'> {
  if (isSelfSigned(leaf)) {
    throw new PemRejected(
      'ERR_PEM_CHAIN',
      `${describe(leaf)} is self-signed: no client can verify it; wanted one that a CA has issued`,
    );
  }
  if (namesOf(leaf).length === 0) {
    throw new PemRejected(
      'ERR_PEM_NAMES',
      `${describe(leaf)} has no subjectAltName: clients take no common name any more (RFC 9110 §4.3.4); have it issued again with its names`,
    );
  }
  if (leaf.ca) throw new PemRejected('ERR_PEM_CHAIN', `${describe(leaf)} is a CA, not a leaf`);
  const chain = [leaf];
  for (let last = leaf; chain.length < MAX_CHAIN; ) {
    const issuers = all.map(({ certificate }) => certificate).filter((one) => isIssuedBy(last, one));
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
    `wanted at most ${MAX_CHAIN} certificates from ${describe(leaf)} to its root`,
  );
}

/** What is valid first, and of that what ends last. */
function rank({ validFrom, validTo }: X509Certificate, now: Date): number {
  const isValid = now >= new Date(validFrom) && now < new Date(validTo);
  return (isValid ? -1 : 1) * Date.parse(validTo);
}

function missingIssuer(leaf: X509Certificate, all: readonly ImportedCertificate[]): PemRejected {
  const others = all.filter(({ certificate }) => certificate !== leaf && certificate.ca);
  const saw = others.length === 0 ? 'no certificate of a CA' : others.map(titleOf).slice(0, 5).join(', ');
  const url = /CA Issuers - URI:(\S+)/.exec(leaf.infoAccess ?? '')?.[1];
  const where = url === undefined ? '' : `; its CA has it at ${url.slice(0, 200)}`;
  return new PemRejected(
    'ERR_PEM_CHAIN',
    `the intermediate certificate is missing: wanted the one of ${lineOf(leaf.issuer)}, which issued ${describe(leaf)}; saw ${saw}${where}`,
  );
}

const titleOf = ({ certificate }: ImportedCertificate) => describe(certificate);

/** Its first name, or its subject. */
function describe(certificate: X509Certificate): string {
  const [name] = namesOf(certificate);
  return name ?? lineOf(certificate.subject);
}

function lineOf(distinguishedName: string | undefined): string {
  return (distinguishedName ?? '').split('\n').join(', ').slice(0, 200) || 'a certificate without a subject';
}
