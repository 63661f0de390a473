/**
 * Puts certificates and keys from files in the order in which HAProxy wants them: which certificate the key belongs to, which one issued
 * which, and which are not needed. Pure.
 */
import type { KeyObject, X509Certificate } from 'node:crypto';
import { isSelfSigned, keyTypeOf, namesOf } from '#contract/combined-pem.ts';
import { PemRejected } from '#contract/errors.ts';
import { type IssuedChain, issuedChainOf, titleOfCertificate } from './chain.ts';
import type { ImportedCertificate, Material } from './material.ts';
import { ImportRefused } from './refused.ts';

/** One leaf with its intermediates and its key. */
export interface ArrangedCertificate extends IssuedChain {
  leaf: X509Certificate;
  key: KeyObject;
}

export interface Arranged {
  /** One, or an elliptic and an RSA one of the same names; the elliptic first. */
  certificates: ArrangedCertificate[];
  /** What people should know of it. */
  notes: string[];
}

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
  const all = certificates.map(({ certificate }) => certificate);
  const arranged = owned.map(({ key, leaf }) => ({ leaf, key, ...issuedChainOf(leaf, all, now) }));
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
  const what = all.map(({ leaf, key }) => `${titleOfCertificate(leaf)} (${keyTypeOf(key)})`).join(', ');
  throw new ImportRefused(
    `wanted one certificate, or one with an elliptic and one with an RSA key for the same names; saw ${what}: import them one by one`,
  );
}

const titleOf = ({ certificate }: ImportedCertificate) => titleOfCertificate(certificate);
